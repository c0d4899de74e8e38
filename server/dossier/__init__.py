"""The dossier domain: events in, dossiers out. No I/O, no clock, no randomness; times and nonces are arguments.

- `units`, `codes`, `folding`: names: agency codes, dossier codes, text as it is searched;
- `event`, `body`, `manifest`: what the documents look like, and building and parsing them;
- `states`, `roles`, `order`, `rules`, `fold`, `dossier`: how a heap of signed events becomes one state;
- `procedure`, `calendar`, `due`: rules that are data, with dates, marks and sources (data: `server.data`).

It imports `crypto` and `server.errors`, nothing else of the server. Every verdict is a function of the events alone,
so that all nodes reach the same one, whatever road and order the events came by.
"""
