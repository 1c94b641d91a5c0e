package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"afteryou/internal/budget"
	"afteryou/internal/price"
	"afteryou/internal/typo"
)

// tables are the settings that a file makes in tables of their own, one for each model or directory:
//
//	[price."claude-opus-5-5"]
//	input = 4
//
//	[budget."~/work"]
//	day = "$20"
//
// Neither the environment nor a flag makes them.
var tables = map[string]func(s *Settings, key string, table map[string]any) error{"price": (*Settings).readPrice, "budget": (*Settings).readBudget}

// entry is one line of such a table, as it is shown.
type entry struct{ table, key, name, text string }

// readTable takes what is good of the tables of one name, and says what is wrong first.
func (s *Settings) readTable(name string, value any) (wrong error) {
	all, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf(`%s is %q; it takes tables, such as [%[1]s."…"]`, name, fmt.Sprint(value))
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		table, ok := all[key].(map[string]any)
		if !ok {
			wrong = cmp.Or(wrong, fmt.Errorf(`%s.%q is %q; it takes a table, [%[1]s.%[2]q]`, name, key, fmt.Sprint(all[key])))
			continue
		}
		wrong = cmp.Or(wrong, tables[name](s, key, table))
	}
	return wrong
}

func unknownIn(table, key, name string, known ...string) error {
	return typo.Unknown(fmt.Sprintf("setting in [%s.%q]", table, key), name, known, "; there are "+strings.Join(known, ", "))
}

// readPrice reads what a model costs, in dollars for a million tokens. Of the cache what is not said is in the usual proportion.
func (s *Settings) readPrice(model string, table map[string]any) error {
	names := []string{"input", "output", "cache_read", "cache_write", "cache_write_1h"}
	given := make(map[string]float64)
	var list []entry
	for _, name := range slices.Sorted(maps.Keys(table)) {
		var usd float64
		switch v := table[name].(type) {
		case int64:
			usd = float64(v)
		case float64:
			usd = v
		default:
			usd = -1
		}
		switch {
		case !slices.Contains(names, name):
			return unknownIn("price", model, name, names...)
		case !(usd >= 0 && usd <= 1e6):
			return fmt.Errorf(`price.%q.%s is %q; it takes dollars for a million tokens, such as 4 or 0.5`, model, name, fmt.Sprint(table[name]))
		}
		given[name] = usd
		list = append(list, entry{"price", model, name, fmt.Sprint(table[name])})
	}
	for _, name := range names[:2] {
		if _, ok := given[name]; !ok {
			return fmt.Errorf("price.%q says no %s", model, name)
		}
	}
	p := price.Own(given["input"], given["output"])
	for name, to := range map[string]*float64{"cache_read": &p.Read, "cache_write": &p.Write, "cache_write_1h": &p.Write1h} {
		if usd, ok := given[name]; ok {
			*to = usd
		}
	}
	if s.Prices == nil {
		s.Prices = make(price.List)
	}
	s.Prices[model] = p
	s.tables = append(s.tables, list...)
	return nil
}

// readBudget reads what a directory may spend.
func (s *Settings) readBudget(dir string, table map[string]any) error {
	if !strings.HasPrefix(dir+"/", "/") && !strings.HasPrefix(dir+"/", "~/") {
		return fmt.Errorf(`budget.%q: a directory is named from / or ~/ on`, dir)
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if name != "day" {
			return unknownIn("budget", dir, name, "day")
		}
	}
	text, _ := table["day"].(string)
	day, ok := budget.Parse(text)
	if !ok {
		return fmt.Errorf(`budget.%q.day is %q; it takes dollars such as "$20", or tokens such as "2M tokens"`, dir, fmt.Sprint(cmp.Or[any](table["day"], "")))
	}
	s.Budgets = append(s.Budgets, budget.Budget{Dir: dir, Day: day})
	s.tables = append(s.tables, entry{"budget", dir, "day", `"` + escape(text, `"\`) + `"`})
	return nil
}

// Tables are the prices and budgets in force, as they stand in the file.
func (s Settings) Tables() string {
	var b strings.Builder
	var last entry
	for _, e := range s.tables {
		if e.table != last.table || e.key != last.key {
			fmt.Fprintf(&b, "\n[%s.\"%s\"]\n", e.table, escape(e.key, `"\`))
		}
		fmt.Fprintf(&b, "%s = %s\n", e.name, e.text)
		last = e
	}
	return b.String()
}
