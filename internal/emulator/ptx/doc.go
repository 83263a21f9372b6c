// Package ptx reads PTX assembly as NVRTC emits it into a typed Module.
//
// It accepts what it knows completely and nothing else: every instruction is looked up in one table of forms (forms.go),
// opcode and modifiers together, and its operands are checked against the form. An unknown instruction, modifier or
// directive is an *Error that names the line; nothing is skipped but debug sections.
//
// The package knows PTX's syntax. It must not know how instructions are executed, nor what kernels compute.
package ptx
