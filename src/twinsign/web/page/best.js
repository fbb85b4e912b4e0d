// The numbers of the `top` largest values, largest first.
export function best(values, top) {
  return Array.from(values.keys()).sort((a, b) => values[b] - values[a] || a - b).slice(0, top);
}
