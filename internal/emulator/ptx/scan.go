package ptx

import "fmt"

// tokenKind is what a token is.
type tokenKind uint8

const (
	endToken    tokenKind = iota // of the file
	wordToken                    // a name, an opcode with its modifiers, a directive with its dot
	numberToken                  // starts with a digit
	stringToken                  // without its quotes
	punctToken                   // one character
)

// token is a piece of the text.
type token struct {
	kind tokenKind
	text string
	line int
}

func (t token) String() string {
	if t.kind == endToken {
		return "the end of the file"
	}
	return fmt.Sprintf("%q", t.text)
}

// is reports whether t is this punctuation or word.
func (t token) is(text string) bool {
	return t.text == text && (t.kind == punctToken || t.kind == wordToken)
}

// scanner cuts text into tokens.
type scanner struct {
	text string
	at   int
	line int
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c == '%' || c == '.'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// next is the next token; comments and space are dropped.
func (s *scanner) next() (token, error) {
	if err := s.blank(); err != nil {
		return token{}, err
	}
	start := s.at
	if start == len(s.text) {
		return token{endToken, "", s.line}, nil
	}
	switch c := s.text[start]; {
	case isLetter(c):
		s.word()
		return token{wordToken, s.text[start:s.at], s.line}, nil
	case isDigit(c):
		s.word()
		return token{numberToken, s.text[start:s.at], s.line}, nil
	case c == '"':
		for s.at++; s.at < len(s.text) && s.text[s.at] != '"'; s.at++ {
			if s.text[s.at] == '\n' {
				return token{}, &Error{s.line, "a string does not end"}
			}
		}
		if s.at == len(s.text) {
			return token{}, &Error{s.line, "a string does not end"}
		}
		s.at++
		return token{stringToken, s.text[start+1 : s.at-1], s.line}, nil
	case c > ' ' && c < 0x7f:
		s.at++
		return token{punctToken, s.text[start:s.at], s.line}, nil
	}
	return token{}, &Error{s.line, fmt.Sprintf("byte %#x", s.text[start])}
}

// word runs over letters and digits, and over :: as in .L2::128B.
func (s *scanner) word() {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case isLetter(c) || isDigit(c):
			s.at++
		case c == ':' && s.at+2 < len(s.text) && s.text[s.at+1] == ':' && (isLetter(s.text[s.at+2]) || isDigit(s.text[s.at+2])):
			s.at += 2
		default:
			return
		}
	}
}

// blank runs over space and comments.
func (s *scanner) blank() error {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '\n':
			s.line++
			s.at++
		case c == ' ' || c == '\t' || c == '\r':
			s.at++
		case c == '/' && s.starts("//"):
			for s.at < len(s.text) && s.text[s.at] != '\n' {
				s.at++
			}
		case c == '/' && s.starts("/*"):
			first := s.line
			for s.at += 2; !s.starts("*/"); s.at++ {
				if s.at >= len(s.text) {
					return &Error{first, "a comment does not end"}
				}
				if s.text[s.at] == '\n' {
					s.line++
				}
			}
			s.at += 2
		default:
			return nil
		}
	}
	return nil
}

func (s *scanner) starts(text string) bool {
	return len(s.text)-s.at >= len(text) && s.text[s.at:s.at+len(text)] == text
}
