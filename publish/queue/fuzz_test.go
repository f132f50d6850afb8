package queue

import (
	"fmt"
	"slices"
	"testing"
)

// segmentFile is a real segment with five pictures, the second removed.
func segmentFile(t testing.TB) []byte {
	d := newSimDisk()
	q, err := open(Options{Dir: "/queue", DiskBytes: 1 << 20, Spool: Always}, nil, &simFS{simDisk: d, left: -1}, hooks{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		mustPut(t, q, filled(fmt.Sprint(i), "e", Picture, 100+i*2000))
	}
	q.Done("1", Picture)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	return d.state.nodes[d.state.now[segmentName("/queue", 0)]].now
}

// diskWith is a disk with that one segment.
func diskWith(segment []byte) *simDisk {
	d := newSimDisk()
	d.do(simOp{kind: "mkdir", name: "/queue"})
	d.do(simOp{kind: "create", name: segmentName("/queue", 0), node: 1})
	d.do(simOp{kind: "write", name: segmentName("/queue", 0), node: 1, data: segment})
	return d
}

// FuzzRecover opens a queue on any bytes. It must not panic, and what it finds
// must be readable and survive the next start.
func FuzzRecover(f *testing.F) {
	whole := segmentFile(f)
	f.Add(whole)
	f.Add(whole[:len(whole)-5000])
	f.Add(whole[:block+100])
	for _, at := range []int{4, 12, 32, block + 16, 2*block + 8, 2*block + 60, 2*block + 64, 3 * block} {
		b := slices.Clone(whole)
		b[at] ^= 0x40
		f.Add(b)
	}
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, segment []byte) {
		if len(segment) > 1<<20 {
			return
		}
		d := diskWith(segment)
		o := Options{Dir: "/queue", DiskBytes: 1 << 20, Spool: Always}
		found := map[string]string{}
		for life := range 2 {
			q, err := open(o, nil, &simFS{simDisk: d, left: -1}, hooks{})
			if err != nil {
				t.Fatal(err)
			}
			if life == 0 {
				fresh := filled("fresh", "fresh", Cover, 5000)
				if err := q.Put(fresh); err != nil {
					t.Fatal(err)
				}
			}
			for {
				it, ok := q.Next()
				if !ok {
					break
				}
				name := fmt.Sprint(it.Kind, it.ID)
				if was, ok := found[name]; life == 1 && (!ok || was != string(it.Body)) {
					t.Fatalf("%s was not there before", name)
				}
				found[name] = string(it.Body)
			}
			if _, ok := q.Find("fresh"); !ok {
				t.Fatal("the fresh picture is lost")
			}
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestDamagedAnywhere flips every byte of a segment's used blocks in turn: at
// most one of its pictures is lost, and none is changed.
func TestDamagedAnywhere(t *testing.T) {
	whole := segmentFile(t)
	step := 7
	if testing.Short() {
		step = 101
	}
	for at := 0; at < len(whole); at += step {
		b := slices.Clone(whole)
		b[at] ^= 0xFF
		q, err := open(Options{Dir: "/queue", DiskBytes: 1 << 20}, nil, &simFS{simDisk: diskWith(b), left: -1}, hooks{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for {
			it, ok := q.Next()
			if !ok {
				break
			}
			var i int
			fmt.Sscan(it.ID, &i)
			if same(t, it, filled(it.ID, "e", Picture, 100+i*2000)); it.ID != "1" {
				n++
			}
		}
		if n < 3 {
			t.Fatalf("byte %d damaged: %d pictures left of 4", at, n)
		}
	}
}

func TestRecordRoundTrip(t *testing.T) {
	for _, r := range []record{
		{key: key{"a", Summary}, seq: 1, wseq: 2, life: 3},
		{key: key{string(make([]byte, MaxID)), Cover}, event: string(make([]byte, MaxID)), meta: make([]byte, MaxMeta), body: 1 << 30, sum: 9, putMS: -5, synced: 1 << 60},
	} {
		b := r.head(nil)
		got, ok := decodeRecord(b)
		if r.meta == nil {
			got.meta = nil
		}
		if !ok || fmt.Sprint(got) != fmt.Sprint(r) || len(b) != r.bodyStart() || len(b) > maxHead {
			t.Errorf("%+v became %+v", r, got)
		}
		for i := range b {
			if _, ok := decodeRecord(b[:i]); ok {
				t.Fatalf("accepted with %d of %d bytes", i, len(b))
			}
		}
	}
	s := slot{free: true, blocks: 2048, life: 7, count: 9, bitmap: newBitmap(2048)}
	s.bitmap.set(2047)
	if got, ok := decodeSlot(s.encode()); !ok || fmt.Sprint(got) != fmt.Sprint(s) {
		t.Errorf("slot %+v became %+v", s, got)
	}
}
