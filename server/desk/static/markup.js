// The desk's only way from text to markup: htmx parses what this node's own templates rendered, where everything that people
// wrote is already escaped. Scripts and addresses of scripts are made of text by nobody, so there is no function for them,
// and the browser refuses (Trusted Types, decision 0170).

const factory = /** @type {any} */ (globalThis).trustedTypes;
factory?.createPolicy("default", { createHTML: (/** @type {string} */ text) => text });
