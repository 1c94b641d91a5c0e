package launch

// managedBy is where an organization's settings stand on macOS (docs, 2.1.330).
func managedBy(getenv func(string) string) organization { return onMac(getenv) }
