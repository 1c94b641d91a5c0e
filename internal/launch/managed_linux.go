package launch

// managedBy is where an organization's settings stand on Linux (docs, 2.1.330).
func managedBy(getenv func(string) string) organization { return onLinux(getenv) }
