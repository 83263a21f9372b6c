// Package templates embeds the CUDA sources that kernels are made of: ptx/ names single instructions, common/ holds
// what passes share, and sm80/ and sm90/ the kernels themselves, one root file per pass.
//
// They are CUDA before they are templates: those of sm80 compile as they stand, those of sm90 with the constants of a
// Plan of theirs in the place of common/plan.cuh. The package knows nothing of what is chosen
// among them or how they are joined; that is package gen's.
package templates

import "embed"

// FS holds the files by their paths below this folder.
//
//go:embed */*.cu */*.cuh
var FS embed.FS
