package turn

var (
 a,b,c = Key{Session:"a"},Key{Session:"b"},Key{Session:"c"}
)
var strict = Rules{Most: 1}

func everybody(Process) bool { return true }
