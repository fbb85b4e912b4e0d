// What is unlike the training clips in a clip, and whether the model may still be sure (twinsign.inference.input_check).
const WORST = 3; // joints named

export function notice({ notices, joints }, clip, outputs) {
  const seen = (number) => {
    for (let at = number; at < clip.score.length; at += joints.length) if (clip.score[at] > 0) return true;
    return false;
  };
  const unsure = reasons(notices, outputs);
  const note = [...otherPoses(notices, clip, seen), ...unsure, ...leftOut(notices, seen)].join("; ");
  return { note, unlike: unsure.length > 0 };
}

function reasons({ limit, least_movement: least, leader }, outputs) {
  if (limit === null) return [];
  if (!outputs.hand_left[0]) return ["no joint of a hand that the model learnt from"];
  const found = [];
  if (outputs.movement[0] < least) found.push("nothing moves");
  const distance = outputs.distance[0];
  if (distance > limit) found.push(`joints in other places (distance ${distance.toFixed(1)}, limit ${limit.toFixed(1)})`);
  if (leader && Number(outputs.leading_side[0]) === -leader) {
    found.push(`a mirrored picture, or a signer whose leading hand is not the ${leader > 0 ? "right" : "left"} one`);
  }
  return found;
}

function otherPoses({ common, estimators }, { estimator }, seen) {
  const missing = Object.entries(common).filter(([, numbers]) => !numbers.some(seen)).map(([part]) => `no ${part}`);
  const family = (name) => name.split(" ")[0]; // Holistic has the same models in the browser under another version
  const known = !estimator || !estimators.length || estimators.some((name) => family(name) === family(estimator));
  return known ? missing : [`poses by ${estimator} instead of ${estimators.join(", ")}`, ...missing];
}

function leftOut({ ignored, no_trunk: noTrunk, trunk }, seen) {
  const shown = Object.keys(ignored).filter((name) => seen(ignored[name]));
  const wholeTrunk = noTrunk && trunk.some((name) => shown.includes(name));
  const names = shown.filter((name) => !wholeTrunk || !trunk.includes(name)).map((name) => name.replaceAll("_", " "));
  const more = names.length > WORST ? ` and ${names.length - WORST} more joints` : "";
  const parts = [...(wholeTrunk ? ["the trunk"] : []), ...(names.length ? [names.slice(0, WORST).join(", ") + more] : [])];
  return parts.length ? [`${parts.join(" and ")} left out, which the training clips do not show`] : [];
}
