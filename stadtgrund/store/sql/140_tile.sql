-- The levels that a table of prepared tile geometry (rel.<relation>) has, with what generalising merged and dropped.
CREATE TABLE IF NOT EXISTS meta.tile (
    relation text PRIMARY KEY,
    dataset text NOT NULL,
    levels jsonb NOT NULL
);
CREATE INDEX IF NOT EXISTS tile_dataset ON meta.tile (dataset);
