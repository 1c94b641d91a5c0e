package launch

import (
	"errors"
	"syscall"

	"afteryou/internal/outside/keeper"
	"afteryou/wrapper"
)

// overBudget starts nothing, and says why.
func (l Launch) overBudget(line string) func() (wrapper.Status, error) {
	return func() (wrapper.Status, error) {
		l.Warn(errors.New(line))
		return wrapper.Status{Code: keeper.TempFail}, nil
	}
}

// stopped is how a session with -p ended. One that our hook or our module's partner ended, by a signal, over a budget that is used
// up, ends so that a script knows to try again later.
func (l Launch) stopped(status wrapper.Status, err error) (wrapper.Status, error) {
	if err != nil || status.ExitCode() != 128+int(syscall.SIGTERM) {
		return status, err
	}
	if line, over := l.Spent(); over {
		return l.overBudget(line)()
	}
	return status, nil
}
