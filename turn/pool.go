package turn

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// PoolID is the id of the pool that a secret pays for. It tells nothing about the secret to who has not seen it: the
// key of the hash is the state's own.
func (s *State) PoolID(secret string) string {
	if s.Salt == "" {
		s.Salt = rand.Text()
	}
	mac := hmac.New(sha256.New, []byte(s.Salt))
	mac.Write([]byte(secret))
	return hex.EncodeToString(mac.Sum(nil)[:6])
}

func (p Process) String() string { return fmt.Sprintf("pid %d", p.PID) }
