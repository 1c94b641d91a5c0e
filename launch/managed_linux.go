package launch

// managedDir is where an organization's managed settings stand (docs, 2.1.330).
const managedDir = "/etc/claude-code"
