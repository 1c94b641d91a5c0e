package wrapper

const bytesWaitingRequest = 0x4004667f // FIONREAD, which x/sys does not have

// script is the command line of script(1), which puts a program behind a pty as we do.
func script(argv []string) []string {
	return append([]string{"script", "-q", "/dev/null"}, argv...)
}
