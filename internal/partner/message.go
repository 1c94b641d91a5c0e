package partner

import (
	"afteryou/internal/gate"
	"afteryou/internal/limit"
	"afteryou/internal/turn"
)

// message is what the module says, one word at a time: the path of its request.
type message struct {
	ID      string `json:"id"` // of the request
	Session string `json:"session"`
	Agent   string `json:"agent"`
	session        // with the first word of a session

	// ask: may the request be sent?
	Model    string  `json:"model"`
	Kind     string  `json:"kind"`     // "": of a turn; else a side request
	Size     float64 `json:"size"`     // of its body, in bytes
	Fresh    float64 `json:"fresh"`    // of its messages since the last answer, which no cache has; 0: not known
	Most     float64 `json:"most"`     // how many tokens it may be answered at most
	Patience float64 `json:"patience"` // until Claude Code gives it up, in seconds; 0: never
	Cloud    bool    `json:"cloud"`    // it goes to a cloud, where no 429 says when to come again
	Reserves bool    `json:"reserves"` // to one that takes the input and the most there may be of an answer until it is answered
	Steps    bool    `json:"steps"`    // it is a step of a turn, whose requests nobody sees
	Early    bool    `json:"early"`    // it was asked for before it came, and may never come

	// answer: how it was answered.
	Sent    float64           `json:"sent"`   // when it was sent, in milliseconds since 1970
	Status  int               `json:"status"` // 0: the connection was lost
	Headers map[string]string `json:"headers"`

	// dead: what the person was told.
	Text string `json:"text"`

	// used: what the request of a turn took.
	Usage struct {
		Input   float64  `json:"input_tokens"`
		Written float64  `json:"cache_creation_input_tokens"`
		Read    *float64 `json:"cache_read_input_tokens"` // nil: not told
		Output  float64  `json:"output_tokens"`
		Kept    struct {
			Hour float64 `json:"ephemeral_1h_input_tokens"`
		} `json:"cache_creation"`
	} `json:"usage"`
}

// took is what the request of a turn took.
func (m *message) took() limit.Costs {
	u := m.Usage
	took := limit.Costs{Input: u.Input + u.Written, Output: u.Output}
	if u.Read != nil {
		took.Whole, took.Cached, took.Hour = took.Input+*u.Read, u.Written+*u.Read, u.Kept.Hour > 0
	}
	return took
}

// reply is what it is told.
type reply struct {
	Go      bool         `json:"go,omitempty"`
	Line    string       `json:"line,omitempty"`    // what holds it, for the spinner
	Verdict gate.Verdict `json:"verdict,omitempty"` // of what was asked for without a go: it must not be sent
	Notify  string       `json:"notify,omitempty"`  // what the person is told
}

// toldBy is how the rejections of a request become known.
func toldBy(m message) turn.News {
	if m.Steps {
		return turn.ByMark
	}
	return turn.AtOnce
}
