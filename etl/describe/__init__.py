"""Look at a source once and write the contract that loads it: what `stadtgrund init` prints."""
