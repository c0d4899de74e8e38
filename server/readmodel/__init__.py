"""What pages and queries read: computed from the changes feeds of the store, droppable at any time.

    store (SQLite or CouchDB)  ──changes──►  `follower`  ──►  `tables` in readmodel.db  ──►  `queries`, `search`

Per database the place in the feed is kept in the same transaction as what was read up to there, so a crash repeats
nothing and skips nothing. A database that was made anew (another `instance_start_time`) is read again from the start.
Nothing here is the truth: `tram rebuild` deletes the file.
"""
