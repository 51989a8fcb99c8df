-- When the deployment folder was read that the contract is of, by the clock of who read it: one that was read earlier does not open
-- again what this one closed. Of contracts that an earlier Stadtgrund applied it is not known.
ALTER TABLE meta.contract ADD COLUMN IF NOT EXISTS read_at timestamptz NOT NULL DEFAULT '-infinity';
