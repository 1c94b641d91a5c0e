package claude

// Managed is where an organization's settings stand on Linux.
func Managed(getenv func(string) string) Organization { return OnLinux(getenv) }
