package capture

import (
	"sync"
	"time"
)

// Ring remembers the newest frames, so that an event can begin with the
// seconds before its trigger. It is bounded twice, by bytes and by age, and
// may be used by several goroutines. It gives the memory of dropped frames back to
// their pool.
//
// What a second costs is rate times picture size: with 100 kB a picture at
// 1280x720 and 10 frames a second about 1 MB, with 200 kB at 1920x1080 about
// 2 MB, and 18 MB for raw YUYV at 1280x720.
type Ring struct {
	maxBytes int
	maxAge   time.Duration

	mu     sync.Mutex
	frames []Frame // oldest first, from head on
	head   int
	bytes  int
	short  uint64
	spent  []*Loan // of what was dropped by the newest Add: its caller still uses the frame
}

// NewRing returns an empty ring that keeps at most maxBytes bytes of pictures
// and nothing older than maxAge before the newest.
func NewRing(maxBytes int, maxAge time.Duration) *Ring {
	return &Ring{maxBytes: maxBytes, maxAge: maxAge}
}

// Add appends the newest frame and drops what no longer fits. A frame that is
// larger than the whole ring empties it and is not kept. What is dropped stays
// as it is until the next Add.
func (r *Ring) Add(f Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.spent {
		l.giveBack()
	}
	r.spent = r.spent[:0]
	r.frames = append(r.frames, f)
	r.bytes += len(f.Data)
	for r.head < len(r.frames) && f.At.Sub(r.frames[r.head].At) > r.maxAge {
		r.drop()
	}
	if r.bytes > r.maxBytes {
		r.short++
	}
	for r.bytes > r.maxBytes {
		r.drop()
	}
	// Moving the rest down once half the slice is empty keeps it from growing
	// and costs one copy of a header per frame.
	if r.head > len(r.frames)/2 {
		n := copy(r.frames, r.frames[r.head:])
		clear(r.frames[n:])
		r.frames, r.head = r.frames[:n], 0
	}
}

// drop forgets the oldest frame.
func (r *Ring) drop() {
	r.bytes -= len(r.frames[r.head].Data)
	if l := r.frames[r.head].Loan; l != nil {
		r.spent = append(r.spent, l)
	}
	r.frames[r.head] = Frame{}
	r.head++
}

// Since returns the frames taken at t or later, oldest first. The slice is the
// caller's, the pictures in it are shared.
func (r *Ring) Since(t time.Time) []Frame {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := r.frames[r.head:]
	i := len(kept)
	for i > 0 && !kept[i-1].At.Before(t) {
		i--
	}
	return append([]Frame(nil), kept[i:]...)
}

// Newest returns the frame added last; false when the ring is empty.
func (r *Ring) Newest() (Frame, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.head == len(r.frames) {
		return Frame{}, false
	}
	return r.frames[len(r.frames)-1], true
}

// Clear forgets every frame: while pictures must not be kept, for privacy or
// because the camera was moved.
func (r *Ring) Clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames, r.head, r.bytes = nil, 0, 0
}

// Bytes returns how many bytes of pictures are kept.
func (r *Ring) Bytes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes
}

// Short returns how many times the byte limit dropped a frame that was still
// young enough: above zero, the pre-roll is shorter than asked for.
func (r *Ring) Short() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.short
}
