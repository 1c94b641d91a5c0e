package turn

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Pool is the pool with that id, made when missing.
func (s *State) Pool(id string) *Pool {
	if s.Pools == nil {
		s.Pools = make(map[string]*Pool)
	}
	id, class, isClass := strings.Cut(id, classMark)
	base := s.pool(id)
	if isClass {
		s.pool(ClassPool(id, class))
	}
	base.classes = nil
	for other, p := range s.Pools {
		if of, class, ok := strings.Cut(other, classMark); ok && of == id {
			p = s.pool(other)
			p.base, p.class = base, class
			base.classes = append(base.classes, p)
		}
	}
	if isClass {
		return s.Pools[ClassPool(id, class)]
	}
	return base
}

func (s *State) pool(id string) *Pool {
	if s.Pools[id] == nil {
		s.Pools[id] = &Pool{}
	}
	s.Pools[id].here = s.here
	return s.Pools[id]
}

// classMark stands between the id of a pool and the class.
const classMark = "/"

// ClassPool is the id of the pool for one class of models of the pool with that id: each class has limits of its own.
func ClassPool(id, class string) string { return id + classMark + class }

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

// String tells a process from those of other hosts too.
func (p Process) String() string { return strings.TrimSpace(fmt.Sprintf("pid %d %s", p.PID, p.Host)) }
