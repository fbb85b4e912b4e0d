"""The commands, one file a group: parse, call one function of another room, print."""
