// Package command is the command line: flags, help and which part does the work.
package command

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/org/vdi-operator/build/cache"
	"github.com/org/vdi-operator/build/image"
	"github.com/org/vdi-operator/build/repo"
)

// settings are what every command shares.
type settings struct {
	cache string
	repo  string
	// tag is the images', version and revision are the programs'.
	tag, version, revision string
}

// New returns the program's command line.
func New() *cobra.Command {
	s := &settings{}
	root := &cobra.Command{
		Use:   "builder",
		Short: "Images and releases of VDI Operator, without a container engine",
		Long: `builder makes images from recipes (build/*.yaml). Go programs are compiled statically;
Debian packages come from the mirror this machine's apt is set up with, and their root file
system is kept in the cache. The same sources give the same bytes.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&s.cache, "cache", cmp.Or(os.Getenv("VDI_CACHE"), string(cache.Default())), "folder for what is built (env VDI_CACHE)")
	flags.StringVar(&s.repo, "repo", "", "the repository's root (default: found from the working folder, then from this program)")
	root.AddCommand(imagesCommand(s), pushCommand(s), releaseCommand(s))
	return root
}

// forImages adds the flags of what is in an image.
func (s *settings) forImages(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.tag, "tag", "dev", "tag of the images")
	cmd.Flags().StringVar(&s.version, "version", "", "version that the programs say they have (default: the tag)")
	cmd.Flags().StringVar(&s.revision, "revision", "", "commit that the programs say they are made from")
}

func (s *settings) builder(cmd *cobra.Command) (image.Builder, error) {
	root, err := s.root()
	if err != nil {
		return image.Builder{}, err
	}
	folder, err := filepath.Abs(s.cache)
	if err != nil {
		return image.Builder{}, err
	}
	created, err := sourceDate(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return image.Builder{}, err
	}
	return image.Builder{Root: root, Cache: cache.Dir(folder), Version: cmp.Or(s.version, s.tag), Revision: s.revision, Created: created, Log: cmd.ErrOrStderr()}, nil
}

func (s *settings) root() (string, error) {
	if s.repo != "" {
		return filepath.Abs(s.repo)
	}
	return repo.Root()
}

// sourceDate reads SOURCE_DATE_EPOCH, by which reproducible builds are told the time of their
// sources: https://reproducible-builds.org/specs/source-date-epoch/.
func sourceDate(value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q: want seconds since 1970, such as git log -1 --format=%%ct prints", value)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
