-- The store's schema 5, as releases have written it: tests/cli/schemas.sh.
-- Never changed; what init makes today is the last of these.
PRAGMA application_id = 1397639523;
PRAGMA user_version = 5;
CREATE TABLE cert ( id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32), der BLOB NOT NULL, subject BLOB, subject_hash INTEGER) STRICT;
CREATE TABLE chain ( id INTEGER PRIMARY KEY AUTOINCREMENT, identity BLOB NOT NULL UNIQUE CHECK (length(identity) = 32), state TEXT NOT NULL CHECK (state IN ('staged', 'active', 'retired')), key_type TEXT NOT NULL, spki BLOB NOT NULL CHECK (length(spki) = 32), leaf BLOB NOT NULL CHECK (length(leaf) = 32), not_before INTEGER NOT NULL, not_after INTEGER NOT NULL, names TEXT NOT NULL, subject TEXT NOT NULL, source TEXT NOT NULL, created INTEGER NOT NULL, sealed_key BLOB, key_uri TEXT, owner TEXT, lineage TEXT, lifetime INTEGER, CHECK ((sealed_key IS NULL) <> (key_uri IS NULL))) STRICT;
CREATE INDEX chain_leaf ON chain (leaf);
CREATE INDEX chain_spki ON chain (spki);
CREATE INDEX chain_names ON chain (names) WHERE state = 'active';
CREATE INDEX chain_expiry ON chain (not_after) WHERE state = 'active';
CREATE INDEX chain_retired ON chain (id) WHERE state = 'retired';
CREATE TABLE chain_cert ( chain INTEGER NOT NULL REFERENCES chain ON DELETE CASCADE, position INTEGER NOT NULL, cert INTEGER NOT NULL REFERENCES cert, PRIMARY KEY (chain, position)) STRICT, WITHOUT ROWID;
CREATE INDEX chain_cert_cert ON chain_cert (cert);
CREATE TABLE binding ( name TEXT NOT NULL, key_type TEXT NOT NULL, chain INTEGER NOT NULL REFERENCES chain, PRIMARY KEY (name, key_type)) STRICT, WITHOUT ROWID;
CREATE INDEX binding_chain ON binding (chain);
CREATE TABLE staged ( chain INTEGER NOT NULL REFERENCES chain ON DELETE CASCADE, name TEXT NOT NULL, since INTEGER, PRIMARY KEY (chain, name)) STRICT, WITHOUT ROWID;
CREATE TABLE former ( name TEXT NOT NULL, key_type TEXT NOT NULL, sequence INTEGER NOT NULL, chain INTEGER NOT NULL REFERENCES chain ON DELETE CASCADE, step INTEGER, PRIMARY KEY (name, key_type, sequence)) STRICT, WITHOUT ROWID;
CREATE INDEX former_chain ON former (chain);
CREATE TABLE change ( sequence INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, name TEXT, chain INTEGER, detail TEXT, sudo TEXT, pid INTEGER) STRICT;
CREATE TABLE waiting ( id INTEGER PRIMARY KEY AUTOINCREMENT, identity BLOB NOT NULL CHECK (length(identity) = 32), key_type TEXT NOT NULL, spki BLOB NOT NULL UNIQUE CHECK (length(spki) = 32), public_key BLOB NOT NULL, names TEXT NOT NULL, created INTEGER NOT NULL, sealed_key BLOB, key_uri TEXT, CHECK ((sealed_key IS NULL) <> (key_uri IS NULL))) STRICT;
CREATE TABLE waiting_name ( name TEXT NOT NULL, waiting INTEGER NOT NULL REFERENCES waiting ON DELETE CASCADE, PRIMARY KEY (name, waiting)) STRICT, WITHOUT ROWID;
CREATE INDEX waiting_name_waiting ON waiting_name (waiting);
CREATE INDEX chain_staged ON chain (id) WHERE state = 'staged';
CREATE INDEX chain_owner ON chain (owner) WHERE owner IS NOT NULL;
CREATE INDEX chain_lineage ON chain (lineage) WHERE lineage IS NOT NULL;
CREATE INDEX chain_subject ON chain (subject) WHERE state = 'active';
CREATE INDEX chain_first_name ON chain (substr(names, 1, instr(names || ' ', ' ') - 1)) WHERE state = 'active';
CREATE INDEX staged_rolled_back ON staged (name) WHERE since IS NULL;
CREATE INDEX cert_subject_hash ON cert (subject_hash) WHERE subject_hash IS NOT NULL;
