package queue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// simDisk is a file system whose power can be cut: it keeps apart what was
// synced and what was only written, and a log of everything, so that the disk
// after a cut at any moment can be made up.
type simDisk struct {
	mu    sync.Mutex
	state *simState
	log   []simOp
}

// simOp is one change, or a note of the test among them.
type simOp struct {
	kind string // write, sync, create, mkdir, remove, syncdir, note
	name string
	node int
	off  int64
	data []byte
	note func(*ledger)
}

// simNode is a file: what is on the platter, and what was written since.
type simNode struct {
	durable []byte
	now     []byte
	pending []simOp
}

// simState is a disk: names, durable and as seen, and files.
type simState struct {
	nodes   map[int]*simNode
	durable map[string]int // name -> node; 0 = folder
	now     map[string]int
	pending map[string][]simOp // by folder: changes of names
}

func newSimState() *simState {
	return &simState{
		nodes:   map[int]*simNode{},
		durable: map[string]int{"/": 0},
		now:     map[string]int{"/": 0},
		pending: map[string][]simOp{},
	}
}

func newSimDisk() *simDisk { return &simDisk{state: newSimState()} }

// apply carries out one change.
func (s *simState) apply(op simOp) {
	switch dir := filepath.Dir(op.name); op.kind {
	case "write":
		n := s.nodes[op.node]
		n.now = writeAt(n.now, op.data, op.off)
		n.pending = append(n.pending, op)
	case "sync":
		n := s.nodes[op.node]
		for _, w := range n.pending {
			n.durable = writeAt(n.durable, w.data, w.off)
		}
		n.pending = nil
	case "forget":
		s.nodes[op.node].pending = nil
	case "create":
		s.nodes[op.node] = &simNode{}
		fallthrough
	case "mkdir", "remove":
		applyName(s.now, op)
		s.pending[dir] = append(s.pending[dir], op)
	case "syncdir":
		for _, op := range s.pending[op.name] {
			applyName(s.durable, op)
		}
		delete(s.pending, op.name)
	}
}

func applyName(names map[string]int, op simOp) {
	if op.kind == "remove" {
		delete(names, op.name)
	} else {
		names[op.name] = op.node
	}
}

func writeAt(b, data []byte, off int64) []byte {
	if end := int(off) + len(data); end > len(b) {
		b = append(b, make([]byte, end-len(b))...)
	}
	copy(b[off:], data)
	return b
}

// Ways in which a power cut treats what was not synced.
const (
	loseAll = iota
	keepAll
	loseNames
	loseSome // any subset, in any order
	tearAll  // any subset of the 512-byte sectors, some of them garbage
	tearOne  // all arrived but one write, which is torn
	keepLast
	cuts
)

// cut makes the disk as it is found after a power cut now.
func (s *simState) cut(how int, rng *rand.Rand) *simDisk {
	names := maps.Clone(s.durable)
	for _, dir := range slices.Sorted(maps.Keys(s.pending)) {
		for _, op := range s.pending[dir] {
			if how != loseAll && how != loseNames && (how != loseSome || rng.IntN(2) == 0) {
				applyName(names, op)
			}
		}
	}
	image := newSimState()
	for name, node := range names {
		if !reachable(names, name) {
			continue
		}
		image.now[name], image.durable[name] = node, node
		if node != 0 {
			b := s.nodes[node].cut(how, rng)
			image.nodes[node] = &simNode{durable: b, now: slices.Clone(b)}
		}
	}
	return &simDisk{state: image}
}

func reachable(names map[string]int, name string) bool {
	for name != "/" {
		name = filepath.Dir(name)
		if _, ok := names[name]; !ok {
			return false
		}
	}
	return true
}

func (n *simNode) cut(how int, rng *rand.Rand) []byte {
	b := slices.Clone(n.durable)
	pending := slices.Clone(n.pending)
	one := -1
	if how == tearOne && len(pending) > 0 {
		one = rng.IntN(len(pending))
	}
	if how == loseSome || how == tearAll {
		rng.Shuffle(len(pending), func(i, j int) { pending[i], pending[j] = pending[j], pending[i] })
	}
	for i, op := range pending {
		switch {
		case how == loseAll, how == keepLast && i < len(pending)-1, how == loseSome && rng.IntN(2) == 0:
		case how == tearAll, how == tearOne && i == one:
			for at := 0; at < len(op.data); at += 512 {
				sector := op.data[at:min(at+512, len(op.data))]
				switch rng.IntN(5) {
				case 0, 1:
					b = writeAt(b, sector, op.off+int64(at))
				case 2:
					b = writeAt(b, bytes.Repeat([]byte{0xff}, len(sector)), op.off+int64(at))
				}
			}
		default:
			b = writeAt(b, op.data, op.off)
		}
	}
	return b
}

// do logs a change and carries it out.
func (d *simDisk) do(op simOp) {
	d.log = append(d.log, op)
	d.state.apply(op)
}

func (d *simDisk) note(f func(*ledger)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, simOp{kind: "note", note: f})
}

// simFS is a process's view of a simDisk. It dies after a number of changes,
// as by kill -9, or fails as told.
type simFS struct {
	*simDisk
	left  int                           // changes until it dies; negative: never
	syncs int                           // file syncs until it dies before one; 0: never
	fail  func(kind, name string) error // nil: never
}

var errDead = errors.New("process killed")

func (p *simFS) dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left == 0
}

// change carries out a change unless the process is dead or it is to fail.
// Called with mu held.
func (p *simFS) change(op simOp) error {
	if p.left == 0 {
		return errDead
	}
	if p.fail != nil {
		if err := p.fail(op.kind, op.name); err != nil {
			if op.kind == "sync" {
				// As Linux has it: what could not be written counts as
				// clean, is seen, and is gone after a cut.
				p.do(simOp{kind: "forget", node: op.node})
			}
			return &fs.PathError{Op: op.kind, Path: op.name, Err: err}
		}
	}
	if p.left > 0 {
		p.left--
	}
	if op.kind == "sync" && p.syncs > 0 {
		if p.syncs--; p.syncs == 0 {
			p.left = 0
			return errDead
		}
	}
	op.data = slices.Clone(op.data)
	p.do(op)
	return nil
}

func (p *simFS) lookup(name string) (int, error) {
	if p.left == 0 {
		return 0, errDead
	}
	if node, ok := p.state.now[name]; ok && reachable(p.state.now, name) {
		return node, nil
	}
	return 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func (p *simFS) Mkdir(dir string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.lookup(dir); err == nil {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: fs.ErrExist}
	}
	if _, err := p.lookup(filepath.Dir(dir)); err != nil {
		return err
	}
	return p.change(simOp{kind: "mkdir", name: dir})
}

func (p *simFS) List(dir string) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.lookup(dir); err != nil {
		return nil, err
	}
	var names []string
	for name, node := range p.state.now {
		if node != 0 && filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (p *simFS) Open(name string, how int) (file, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	node, err := p.lookup(name)
	if errors.Is(err, fs.ErrNotExist) && how == forCreate {
		if _, err := p.lookup(filepath.Dir(name)); err != nil {
			return nil, err
		}
		node = len(p.log) + 1
		for p.state.nodes[node] != nil {
			node++
		}
		err = p.change(simOp{kind: "create", name: name, node: node})
	} else if err == nil && how != forRead && p.fail != nil {
		err = p.fail("open", name)
	}
	if err != nil {
		return nil, err
	}
	return &simFile{p: p, node: node, name: name}, nil
}

func (p *simFS) Remove(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.lookup(name); err != nil {
		return err
	}
	return p.change(simOp{kind: "remove", name: name})
}

func (p *simFS) SyncDir(dir string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.change(simOp{kind: "syncdir", name: dir})
}

func (p *simFS) Writable(dir string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil && errors.Is(p.fail("open", dir), syscall.EROFS) {
		return syscall.EROFS
	}
	return nil
}

func (p *simFS) Lock(string) (io.Closer, error) {
	if p.dead() {
		return nil, errDead
	}
	return io.NopCloser(nil), nil
}

type simFile struct {
	p      *simFS
	node   int
	name   string
	closed bool
}

func (f *simFile) ReadAt(b []byte, off int64) (int, error) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if f.closed {
		return 0, fs.ErrClosed
	}
	if f.p.fail != nil {
		if err := f.p.fail("read", f.name); err != nil {
			return 0, err
		}
	}
	now := f.p.state.nodes[f.node].now
	if off >= int64(len(now)) {
		return 0, io.EOF
	}
	n := copy(b, now[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *simFile) WriteAt(b []byte, off int64) (int, error) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if f.closed {
		return 0, fs.ErrClosed
	}
	if err := f.p.change(simOp{kind: "write", name: f.name, node: f.node, off: off, data: b}); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (f *simFile) Sync() error {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	return f.p.change(simOp{kind: "sync", name: f.name, node: f.node})
}

func (f *simFile) Size() (int64, error) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	return int64(len(f.p.state.nodes[f.node].now)), nil
}

func (f *simFile) Close() error {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if f.closed {
		return fmt.Errorf("%s closed twice", f.name)
	}
	f.closed = true
	return nil
}
