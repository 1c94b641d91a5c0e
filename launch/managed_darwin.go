package launch

// managedDir is where an organization's managed settings stand (docs, 2.1.330). Those of a device management profile
// are not read.
const managedDir = "/Library/Application Support/ClaudeCode"
