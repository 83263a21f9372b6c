package gen

import (
	"fmt"
	"path/filepath"
)

// Reports are the compiler's reports of plans' kernels, by name, as the archives below folder hold them. A kernel that
// no archive there holds, or only one made of another source, has none. The error wraps ErrArchive where one is damaged.
func Reports(folder string, plans []Plan) (map[string]Report, error) {
	reports := map[string]Report{}
	for _, p := range Packages(plans) {
		archive, err := readIfThere(filepath.Join(folder, p.Name(), ArchiveName))
		if err != nil {
			return nil, err
		}
		if archive == nil {
			continue
		}
		manifest, err := ReadArchive(archive)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name(), err)
		}
		for _, plan := range p.Plans {
			source, err := Render(plan)
			if err != nil {
				return nil, err
			}
			for _, k := range manifest.Kernels {
				if k.Name == plan.Name() && k.SourceSHA256 == digest(source) {
					reports[k.Name] = k.Report()
				}
			}
		}
	}
	return reports, nil
}
