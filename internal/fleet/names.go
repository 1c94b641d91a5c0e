package fleet

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// Names gives limits their names on the server, by which machines find each other. They tell nothing to who does not know what they
// are made of.
type Names struct {
	Name   string // the user's own, of all that share; empty: by organization or credential
	Secret []byte // keys the names, where the user has one
}

// Pool names the limit of a class of models: by the user's name for all, else by the organization that answers name, else by the
// secret of an account.
func (n Names) Pool(organization, secret, class string) string {
	mac := hmac.New(sha256.New, n.Secret)
	of := [2]string{"account", secret}
	switch {
	case n.Name != "":
		of = [2]string{"name", n.Name}
	case organization != "":
		of = [2]string{"organization", organization}
	}
	for _, part := range []string{of[0], of[1], class} {
		mac.Write(append([]byte(part), 0))
	}
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Organization shortens the id of an organization for a state that it is kept in.
func Organization(id string) string {
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}
