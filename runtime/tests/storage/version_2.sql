-- A database as version 2 made it, with something in every table. Never changed: it stands for those that exist.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('last_room', 0), ('last_user', 0);

CREATE TABLE rooms (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE,
    lower_user INTEGER,
    higher_user INTEGER,
    topic TEXT NOT NULL DEFAULT '',
    first INTEGER NOT NULL DEFAULT 1,
    UNIQUE (lower_user, higher_user),
    CHECK ((name IS NULL) = (lower_user IS NOT NULL)),
    CHECK ((lower_user IS NULL) = (higher_user IS NULL))
) STRICT;

CREATE TABLE events (
    room INTEGER NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    author INTEGER NOT NULL,
    nonce INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    nick TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX events_by_nonce ON events (author, nonce);

CREATE TABLE guests (
    user INTEGER PRIMARY KEY,
    nick TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    expires INTEGER
) STRICT;

CREATE TABLE members (
    room INTEGER NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user INTEGER NOT NULL,
    PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_by_user ON members (user);

INSERT INTO meta (name, value) VALUES ('last_device', 0);

CREATE TABLE accounts (
    user INTEGER PRIMARY KEY,
    nick TEXT NOT NULL UNIQUE,
    record BLOB NOT NULL,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE devices (
    device INTEGER PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES accounts (user) ON DELETE CASCADE,
    name TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    since INTEGER NOT NULL,
    seen INTEGER NOT NULL
) STRICT;

CREATE INDEX devices_by_user ON devices (user);

INSERT INTO meta (name, value) VALUES ('incarnation', 77);
UPDATE meta SET value = 2 WHERE name = 'last_room';
UPDATE meta SET value = 3 WHERE name = 'last_user';
UPDATE meta SET value = 1 WHERE name = 'last_device';
INSERT INTO rooms (id, name, topic) VALUES (1, '#lobby', 'parrots');
INSERT INTO rooms (id, lower_user, higher_user) VALUES (2, 1, 2);
INSERT INTO events (room, seq, author, nonce, at, kind, nick, text) VALUES (1, 1, 1, -1, 1000, 1, 'ada', 'hello');
INSERT INTO events (room, seq, author, nonce, at, kind, nick, text) VALUES (1, 2, 2, 10, 2000, 3, 'bob', 'parrots');
INSERT INTO guests (user, nick, token_hash, expires)
VALUES (2, 'bob', x'0202020202020202020202020202020202020202020202020202020202020202', 5000);
INSERT INTO accounts (user, nick, record, created) VALUES (3, 'cleo', x'01070707070707070700004c000000000200000001e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d7601010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101', 3000);
INSERT INTO devices (device, user, name, token_hash, since, seen)
VALUES (1, 3, 'laptop', x'0303030303030303030303030303030303030303030303030303030303030303', 3000, 4000);
INSERT INTO members (room, user) VALUES (1, 2), (1, 3);

PRAGMA application_id = 0x506c6272;
PRAGMA user_version = 2;
