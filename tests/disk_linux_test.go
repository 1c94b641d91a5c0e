package tests

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// 1. A session has the turn. 2. The disk is full. 3. Its call is answered. 4. There is room again: whoever changes the state
// next gives the turn back.
func TestATurnIsGivenBackOnAFullDisk(t *testing.T) {
	t.Parallel()
	unshare := []string{"unshare", "-m"}
	if out, err := exec.Command(unshare[0], append(unshare[1:], "mount", "-t", "tmpfs", "none", "/mnt")...).CombinedOutput(); err != nil {
		t.Skipf("not tested: %s is not permitted: %s", strings.Join(unshare, " "), out)
	}
	cmd := exec.Command(unshare[0], append(unshare[1:], "sh", "-c", `
mount -t tmpfs -o size=64k none "$HOME" || exit
event() { echo '{"hook_event_name":"'$1'","session_id":"00000000-0000-4000-8000-00000000000'$2'","cwd":"/"}' | "$0" hook; }
event UserPromptSubmit 1
cat /dev/zero > "$HOME/fill" 2> "$HOME/none"
event Stop 1
rm "$HOME/fill"
event SessionStart 2
cat "$HOME/afteryou/state.json"`, afteryou)...)
	dir := t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_STATE_HOME=" + dir, "CLAUDE_PID=" + strconv.Itoa(os.Getpid())}
	out, err := cmd.CombinedOutput()
	if state := string(out); err != nil || !strings.Contains(state, `"sessions"`) || strings.Contains(state, `"phase":1`) {
		t.Errorf("the state is %s, %v; want nobody to have the turn", state, err)
	}
}
