package claude

// Managed is where an organization's settings stand on macOS.
func Managed(getenv func(string) string) Organization { return OnMac(getenv) }
