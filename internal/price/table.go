package price

// Source and Read name the list that the table holds, and the day on which it was read.
const (
	Source = "https://platform.claude.com/docs/en/about-claude/pricing"
	Read   = "2026-11-27"
)

// What the list charges beside tokens of a model, and in proportion to them.
const (
	// Batch is the share of its price that a request in a Message Batch costs.
	Batch = 0.5
	// write5m, write1h and read are the usual shares of the price of input that the cache costs.
	write5m, write1h, read = 1.25, 2, 0.1
	// inUS is what a request costs more that may be answered in the United States alone (inference_geo).
	inUS = 1.1
	// search is what a search of the web costs, in dollars.
	search = 0.01
)

// model is a family and a version of it, as limit.Version tells them.
type model struct {
	family       string
	major, minor int
}

// published are the prices of the list, in dollars for a million tokens. The API itself charges them; a cloud may charge others.
var published = map[model]Price{
	{"fable", 5, 2}:  cached(8, 40, 0.2).fast(2),
	{"fable", 5, 1}:  cached(10, 50, 0.25),
	{"fable", 5, 0}:  usual(10, 50),
	{"mythos", 5, 2}: cached(8, 40, 0.2).fast(2),
	{"mythos", 5, 1}: cached(10, 50, 0.25),
	{"mythos", 5, 0}: usual(10, 50),
	{"opus", 5, 5}:   cached(4, 20, 0.2).fast(2),
	{"opus", 5, 0}:   usual(5, 25).fast(2),
	{"opus", 4, 8}:   usual(5, 25).fast(2),
	{"opus", 4, 7}:   usual(5, 25).fast(6),
	{"opus", 4, 6}:   usual(5, 25).fast(6),
	{"opus", 4, 5}:   usual(5, 25),
	{"opus", 4, 1}:   usual(15, 75),
	{"opus", 4, 0}:   usual(15, 75),
	{"sonnet", 5, 5}: cached(2, 10, 0.1), // since 2026-10-07; a read cost 0.20 before
	{"sonnet", 5, 0}: usual(2, 10),
	{"sonnet", 4, 6}: usual(3, 15),
	{"sonnet", 4, 5}: usual(3, 15),
	{"sonnet", 4, 0}: usual(3, 15),
	{"sonnet", 3, 7}: usual(3, 15),
	{"haiku", 5, 5}:  usual(0.1, 0.5).above(100_000, 5),
	{"haiku", 4, 5}:  usual(1, 5),
	{"haiku", 3, 5}:  usual(0.8, 4),
}

// usual is the price of a model whose cache costs the usual shares of its input.
func usual(input, output float64) Price { return cached(input, output, read*input) }

func cached(input, output, read float64) Price {
	return Price{Input: input, Output: output, Write: write5m * input, Write1h: write1h * input, Read: read}
}

// fast is the price with fast mode, which costs so many times as much.
func (p Price) fast(times float64) Price { p.Fast = times; return p }

// above is the price where requests with more input than tokens cost so many times as much.
func (p Price) above(tokens int, times float64) Price { p.Above, p.Long = tokens, times; return p }
