package abi

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// field is one member of a parameter block, as C lays it out on a 64-bit machine.
type field struct {
	name   string // in snake case
	kind   string
	offset uintptr
}

func (f field) String() string { return fmt.Sprintf("%s %s at %d", f.kind, f.name, f.offset) }

// block is a struct's fields and size.
type block struct {
	fields []field
	size   uintptr
	align  uintptr // C's
}

var (
	comment     = regexp.MustCompile(`//[^\n]*`)
	structure   = regexp.MustCompile(`(?s)struct (?:alignas\((\d+)\) )?(\w+) \{(.*?)\};`)
	declaration = regexp.MustCompile(`^(.*?)\s*(\**\s*\w+(?:\[\d+\])?(?:\s*,\s*\**\s*\w+)*)$`)
	array       = regexp.MustCompile(`^(\w+)\[(\d+)\]$`)
)

// cTypes are the members that are no pointers and no blocks: their Go kind and size. They align to their size.
var cTypes = map[string]struct {
	kind string
	size uintptr
}{
	"int": {"int32", 4}, "float": {"float32", 4}, "long long": {"int64", 8}, "unsigned long long": {"uint64", 8},
}

// parseHeader reads the structs of params.cuh. A pointer's kind is uintptr.
func parseHeader(text string) (map[string]block, error) {
	blocks := make(map[string]block)
	for _, s := range structure.FindAllStringSubmatch(comment.ReplaceAllString(text, ""), -1) {
		b := block{align: 1}
		if s[1] != "" {
			align, err := strconv.Atoi(s[1])
			if err != nil {
				return nil, err
			}
			b.align = uintptr(align)
		}
		for _, statement := range strings.Split(s[3], ";") {
			statement = strings.Join(strings.Fields(statement), " ")
			if statement == "" {
				continue
			}
			m := declaration.FindStringSubmatch(statement)
			if m == nil {
				return nil, fmt.Errorf("struct %s: cannot read %q", s[2], statement)
			}
			kind := strings.TrimSpace(strings.TrimPrefix(m[1], "const "))
			for _, name := range strings.Split(m[2], ",") {
				name = strings.TrimSpace(name)
				f := field{name: strings.TrimLeft(name, "* ")}
				var size, alignment uintptr
				switch t, scalar := cTypes[kind]; {
				case strings.HasPrefix(name, "*") || strings.HasSuffix(kind, "*"):
					f.kind, size, alignment = "uintptr", 8, 8
				case scalar:
					f.kind, size, alignment = t.kind, t.size, t.size
				default:
					inner, ok := blocks[kind]
					if !ok {
						return nil, fmt.Errorf("struct %s: unknown type %q", s[2], kind)
					}
					f.kind, size, alignment = kind, inner.size, inner.align
				}
				if m := array.FindStringSubmatch(name); m != nil {
					n, err := strconv.Atoi(m[2])
					if err != nil {
						return nil, err
					}
					f.name, f.kind, size = m[1], fmt.Sprintf("[%d]%s", n, f.kind), uintptr(n)*size
				}
				f.offset = (b.size + alignment - 1) / alignment * alignment
				b.size = f.offset + size
				b.align = max(b.align, alignment)
				b.fields = append(b.fields, f)
			}
		}
		b.size = (b.size + b.align - 1) / b.align * b.align
		blocks[s[2]] = b
	}
	return blocks, nil
}

// describe reads a Go struct.
func describe(t reflect.Type) block {
	b := block{size: t.Size()}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "_" { // padding, which C adds by itself
			continue
		}
		kind := f.Type.Kind().String()
		switch f.Type.Kind() {
		case reflect.Struct:
			kind = f.Type.Name()
		case reflect.Array:
			kind = f.Type.String()
		}
		b.fields = append(b.fields, field{cName(f.Name), kind, f.Offset})
	}
	return b
}

// cName is the C name of a Go field: words in snake case, where the gradients' DO, DQ, DK, DV and DBias are one word
// each; the lone DO is d_o, since "do" is a keyword.
func cName(name string) string {
	if name == "DO" {
		return "d_o"
	}
	for _, gradient := range []string{"DBias", "DO", "DQ", "DK", "DV"} {
		if rest, ok := strings.CutPrefix(name, gradient); ok {
			if rest == "" {
				return strings.ToLower(gradient)
			}
			return strings.ToLower(gradient) + "_" + cName(rest)
		}
	}
	var out []rune
	letters := []rune(name)
	for i, r := range letters {
		startsWord := i > 0 && unicode.IsUpper(r) && !unicode.IsUpper(letters[i-1])
		endsAbbreviation := i > 0 && i+1 < len(letters) && unicode.IsUpper(r) && unicode.IsLower(letters[i+1])
		if startsWord || endsAbbreviation {
			out = append(out, '_')
		}
		out = append(out, unicode.ToLower(r))
	}
	return string(out)
}

// difference says where a Go struct departs from its C twin; "" is nowhere.
func difference(goBlock, cBlock block) string {
	if len(goBlock.fields) != len(cBlock.fields) {
		return fmt.Sprintf("%d fields in Go, %d in C", len(goBlock.fields), len(cBlock.fields))
	}
	for i, f := range goBlock.fields {
		if f != cBlock.fields[i] {
			return fmt.Sprintf("field %d: %v in Go, %v in C", i, f, cBlock.fields[i])
		}
	}
	if goBlock.size != cBlock.size {
		return fmt.Sprintf("%d bytes in Go, %d in C", goBlock.size, cBlock.size)
	}
	return ""
}

var twins = map[string]reflect.Type{
	"Strides":                 reflect.TypeFor[Strides](),
	"Problem":                 reflect.TypeFor[Problem](),
	"ForwardParams":           reflect.TypeFor[ForwardParams](),
	"TensorMap":               reflect.TypeFor[TensorMap](),
	"ForwardTensorParams":     reflect.TypeFor[ForwardTensorParams](),
	"BackwardParams":          reflect.TypeFor[BackwardParams](),
	"BackwardTensorParams":    reflect.TypeFor[BackwardTensorParams](),
	"BackwardDKVTensorParams": reflect.TypeFor[BackwardDKVTensorParams](),
	"BackwardDQTensorParams":  reflect.TypeFor[BackwardDQTensorParams](),
}

func readHeader(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../templates/common/params.cuh")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLayoutsAgree(t *testing.T) {
	if reflect.TypeFor[uintptr]().Size() != 8 {
		t.Skip("CUDA exists on 64-bit machines only")
	}
	blocks, err := parseHeader(readHeader(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(blocks) != len(twins) {
		t.Errorf("params.cuh declares %d structs, this test compares %d", len(blocks), len(twins))
	}
	for name, goType := range twins {
		if d := difference(describe(goType), blocks[name]); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// Faults seeded into the header are found.
func TestFaultsAreFound(t *testing.T) {
	faults := []struct{ name, block, old, new string }{
		{"swapped pointers", "ForwardParams", "*q, *k, *v", "*k, *q, *v"},
		{"swapped numbers of one type", "Problem", "seq_len_q, seq_len_k", "seq_len_k, seq_len_q"},
		{"swapped types", "Problem", "float scale;", "int scale;"},
		{"swapped strides", "BackwardParams", "dk_strides, dv_strides", "dv_strides, dk_strides"},
		{"narrower strides", "Strides", "long long batch", "int batch"},
		{"a missing field", "Problem", "int zero;", ""},
		{"one field more", "BackwardParams", "int convert_tiles;", "int convert_tiles, more;"},
		{"swapped maps", "ForwardTensorParams", "k_map, v_map", "v_map, k_map"},
		{"a shorter map", "TensorMap", "words[16]", "words[15]"},
		{"another alignment", "ForwardTensorParams", "alignas(64)", "alignas(16)"},
		{"swapped maps of gradients", "BackwardDKVTensorParams", "dk_map, dv_map", "dv_map, dk_map"},
		{"a missing map", "BackwardDQTensorParams", "do_map, dq_map", "do_map"},
		{"a renamed field", "BackwardParams", "dbias_tiles;", "bias_tiles;"},
	}
	header := readHeader(t)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			seeded := strings.Replace(header, f.old, f.new, 1)
			if seeded == header {
				t.Fatalf("params.cuh has no %q to seed", f.old)
			}
			blocks, err := parseHeader(seeded)
			if err != nil {
				t.Fatal(err)
			}
			if difference(describe(twins[f.block]), blocks[f.block]) == "" {
				t.Error("not found")
			}
		})
	}
}
