"""What tests share: made inputs, slow oracles, fuzzing targets, real processes."""
