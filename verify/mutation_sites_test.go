package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/sigattn/sigattn"
)

// sites tell what lines of PTX are of, in the CUDA source that lies beside a generated package.
type sites struct {
	text   string
	source []string
	at     [][]int // matches of locations in the text
}

var (
	entryName = regexp.MustCompile(`\.entry (\w+)`)
	locations = regexp.MustCompile(`\.loc\s+\d+ (\d+) (\d+)(?:, function_name \S+ inlined_at \d+ (\d+))?`)
)

func newSites(t *testing.T, p *sigattn.Package, text string) *sites {
	t.Helper()
	name := entryName.FindStringSubmatch(text)[1]
	source, err := os.ReadFile(filepath.Join("..", "generated", p.Name, name+".cu"))
	if err != nil {
		t.Fatal(err)
	}
	return &sites{text, strings.Split(string(source), "\n"), locations.FindAllStringSubmatchIndex(text, -1)}
}

// of is the statement that an offset in the text is of; of an instruction that a function wraps, the call of that.
func (s *sites) of(offset int) string {
	n := sort.Search(len(s.at), func(i int) bool { return s.at[i][0] > offset }) - 1
	if n < 0 {
		return ""
	}
	number := func(group int) int {
		if s.at[n][2*group] < 0 {
			return 0
		}
		x, _ := strconv.Atoi(s.text[s.at[n][2*group]:s.at[n][2*group+1]])
		return x
	}
	line := func(n int) string {
		if n == 0 {
			return "" // the compiler's own
		}
		return strings.TrimSpace(s.source[n-1])
	}
	own := line(number(1))
	if strings.Contains(own, `"`) && number(3) > 0 {
		return line(number(3))
	}
	return fmt.Sprintf("%s:%d", own, number(2))
}

// product is which of the groups of wgmma an offset is in.
func (s *sites) product(offset int) string {
	const end = "wgmma.commit_group"
	return fmt.Sprintf("product %d of %d", strings.Count(s.text[:offset], end)+1, strings.Count(s.text, end))
}
