package gateway

import (
	"flag"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8") // unless said otherwise: tests wait more than they compute
	os.Exit(m.Run())
}
