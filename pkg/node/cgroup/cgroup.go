// Package cgroup finds the cgroups of a pod's containers on this node, and freezes and thaws
// them: in version 1's freezer and version 2's unified hierarchy, as the cgroupfs and the
// systemd driver name them, for containerd and CRI-O.
//
// It promises that it goes by the names of directories alone: a pod's UID and a container's id
// are compared with names, and never become part of a path. It knows nothing of desktops.
package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// maxDepth is how deep below the root pods' cgroups are looked for: kubelet's own are three
	// deep, and its --cgroup-root or a cluster in containers adds a few.
	maxDepth = 8
	// maxVisited bounds one search. A node has some hundred directories outside of pods.
	maxVisited = 20_000
)

// ErrNone says that there is no such cgroup.
var ErrNone = errors.New("the node has no such cgroup")

// Root is where the node's cgroup file systems are mounted.
type Root struct {
	unified bool
	// tree is the hierarchy in which containers are frozen, memory the one that counts what they
	// use: the same in version 2.
	tree, memory string
}

// Open finds out which version is mounted at path.
func Open(path string) (*Root, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return nil, fmt.Errorf("cgroup root %s: %w", path, err)
	}
	if fs.Type == unix.CGROUP2_SUPER_MAGIC {
		return &Root{unified: true, tree: path, memory: path}, nil
	}
	freezer := filepath.Join(path, "freezer")
	if err := unix.Statfs(freezer, &fs); err != nil || fs.Type != unix.CGROUP_SUPER_MAGIC {
		return nil, fmt.Errorf("cgroup root %s: neither cgroup version 2 nor version 1's freezer is mounted there; mount the node's /sys/fs/cgroup", path)
	}
	return &Root{tree: freezer, memory: filepath.Join(path, "memory")}, nil
}

// Version is 1 or 2.
func (r *Root) Version() int {
	if r.unified {
		return 2
	}
	return 1
}

// Containers are those of a pod that have a cgroup; ErrNone where the pod has none.
func (r *Root) Containers(pod types.UID) ([]Container, error) {
	visited := 0
	path, err := r.findPod(pod, "", 0, &visited)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(r.tree, path))
	if err != nil {
		return nil, gone(err)
	}
	var found []Container
	for _, e := range entries {
		if id, is := containerOf(e.Name()); is && e.IsDir() {
			found = append(found, Container{ID: id, root: r, path: filepath.Join(path, e.Name())})
		}
	}
	return found, nil
}

// Container is one container of a pod; ErrNone where the pod has no such cgroup.
func (r *Root) Container(pod types.UID, id string) (Container, error) {
	all, err := r.Containers(pod)
	if err != nil {
		return Container{}, err
	}
	at := slices.IndexFunc(all, func(c Container) bool { return c.ID == id })
	if at < 0 {
		return Container{}, ErrNone
	}
	return all[at], nil
}

// findPod looks for a pod's cgroup below dir, and into no pod's and no container's: what is in
// there has names that the container may have given.
func (r *Root) findPod(pod types.UID, dir string, depth int, visited *int) (string, error) {
	entries, err := os.ReadDir(filepath.Join(r.tree, dir))
	if err != nil {
		return "", gone(err)
	}
	var below []string
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if *visited++; *visited > maxVisited {
			return "", fmt.Errorf("more than %d cgroups were looked at", maxVisited)
		}
		path := filepath.Join(dir, e.Name())
		if of, is := podOf(e.Name()); is {
			if of == pod {
				return path, nil
			}
			continue
		}
		if _, is := containerOf(e.Name()); !is && depth < maxDepth {
			below = append(below, path)
		}
	}
	// A folder that cannot be read, as somebody with cgroups of their own may make one, hides no other.
	missing := ErrNone
	for _, path := range below {
		found, err := r.findPod(pod, path, depth+1, visited)
		switch {
		case err == nil:
			return found, nil
		case !errors.Is(err, ErrNone):
			missing = err
		}
	}
	return "", missing
}

// gone makes ErrNone of what the kernel says of a cgroup that was removed meanwhile.
func gone(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return ErrNone
	}
	return err
}
