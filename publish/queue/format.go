package queue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// The layout on disk, little-endian throughout. A segment is a file of blocks:
// two header slots of one block each, then records, each starting on a block.
//
//	slot    0 magic "PWQs"   4 version 1   5 flags (1 = free)   6 zero
//	        8 CRC32C of the block but for this field
//	       12 blocks, slots included
//	       16 life   24 count   32 bitmap: bit n = the record at block n is removed
//
//	record  0 magic "PWQr"   4 version 1   5 kind   6 zero
//	        8 CRC32C of the header but for this field: up to the body, names and meta included
//	       12 CRC32C of the body
//	       16 life   24 seq   32 wseq   40 synced   48 wall clock of Put, ms since 1970
//	       56 length of id (16 bits)   58 of event (16 bits)   60 of meta   64 of body   68 zero
//	       72 id, event, meta, body, zeros to the end of the block
const (
	block       = 4096
	slots       = 2 // blocks before the first record
	version     = 1
	flagFree    = 1
	bitmapStart = 32
	maxBlocks   = (block - bitmapStart) * 8
	recordStart = 72
	maxHead     = recordStart + 2*MaxID + MaxMeta // of a record: all but the body
)

var (
	slotMagic   = []byte("PWQs")
	recordMagic = []byte("PWQr")
	castagnoli  = crc32.MakeTable(crc32.Castagnoli)
	le          = binary.LittleEndian
)

// errCorrupt: what was read is not what was written.
var errCorrupt = errors.New("checksum or record does not match")

// slot is a decoded segment header.
type slot struct {
	free   bool
	blocks uint32
	life   uint64 // random, new each time the segment is used afresh: tells its records from older ones
	count  uint64 // of header writes; the larger one is the newer
	bitmap bitmap
}

// bitmap holds one bit a block, set where a removed record starts.
type bitmap []byte

func newBitmap(blocks uint32) bitmap { return make(bitmap, (blocks+7)/8) }
func (b bitmap) has(n uint32) bool   { return int(n/8) < len(b) && b[n/8]&(1<<(n%8)) != 0 }
func (b bitmap) set(n uint32)        { b[n/8] |= 1 << (n % 8) }
func blocksOf(id, event string, size int64) uint32 {
	return uint32((recordStart + int64(len(id)+len(event)) + size + block - 1) / block)
}

// encode returns the slot as one block.
func (s *slot) encode() []byte {
	b := make([]byte, block)
	copy(b, slotMagic)
	b[4] = version
	if s.free {
		b[5] = flagFree
	}
	le.PutUint32(b[12:], s.blocks)
	le.PutUint64(b[16:], s.life)
	le.PutUint64(b[24:], s.count)
	copy(b[bitmapStart:], s.bitmap)
	le.PutUint32(b[8:], sumBut(b))
	return b
}

// sumBut is the CRC32C of a header without the sum's own field.
func sumBut(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:8], castagnoli), castagnoli, b[12:])
}

// wholeSlot says whether a block is a header of any version: each has its magic,
// version and checksum in the same place.
func wholeSlot(b []byte) bool {
	return len(b) == block && bytes.Equal(b[:4], slotMagic) && le.Uint32(b[8:]) == sumBut(b)
}

// newerSlot says whether a block is a header of a newer version.
func newerSlot(b []byte) bool { return wholeSlot(b) && b[4] > version }

// decodeSlot decodes one block; false if it is none of ours, or torn.
func decodeSlot(b []byte) (slot, bool) {
	if !wholeSlot(b) || b[4] != version {
		return slot{}, false
	}
	s := slot{
		free:   b[5]&flagFree != 0,
		blocks: le.Uint32(b[12:]),
		life:   le.Uint64(b[16:]),
		count:  le.Uint64(b[24:]),
	}
	if s.blocks <= slots || s.blocks > maxBlocks {
		return slot{}, false
	}
	s.bitmap = newBitmap(s.blocks)
	copy(s.bitmap, b[bitmapStart:])
	return s, true
}

// record is a record's header.
type record struct {
	key
	event  string
	life   uint64
	seq    uint64 // order of Put
	wseq   uint64 // order of writing
	synced uint64 // every record with a wseq up to this one was synced before this was written
	putMS  int64  // wall clock of Put, ms since 1970: only to tell an age
	meta   []byte
	body   uint32 // length
	sum    uint32 // of the body
}

func (r *record) blocks() uint32 {
	return blocksOf(r.id, r.event, int64(len(r.meta))+int64(r.body))
}

// bodyStart is the body's offset in the record.
func (r *record) bodyStart() int { return recordStart + len(r.id) + len(r.event) + len(r.meta) }

// head appends the encoded header, all that stands before the body, to b[:0].
func (r *record) head(b []byte) []byte {
	b = append(b[:0], recordMagic...)
	b = append(b, version, byte(r.kind), 0, 0)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, r.sum)
	b = le.AppendUint64(b, r.life)
	b = le.AppendUint64(b, r.seq)
	b = le.AppendUint64(b, r.wseq)
	b = le.AppendUint64(b, r.synced)
	b = le.AppendUint64(b, uint64(r.putMS))
	b = le.AppendUint16(b, uint16(len(r.id)))
	b = le.AppendUint16(b, uint16(len(r.event)))
	b = le.AppendUint32(b, uint32(len(r.meta)))
	b = le.AppendUint32(b, r.body)
	b = le.AppendUint32(b, 0)
	b = append(b, r.id...)
	b = append(b, r.event...)
	b = append(b, r.meta...)
	le.PutUint32(b[8:], sumBut(b))
	return b
}

// decodeRecord decodes the header at the start of b, which holds as much of
// the record as there is, up to maxHead bytes at least. False if there is none
// or it is torn. The result shares no memory with b.
func decodeRecord(b []byte) (record, bool) {
	if len(b) < recordStart || !bytes.Equal(b[:4], recordMagic) || b[4] != version {
		return record{}, false
	}
	id, event := int(le.Uint16(b[56:])), int(le.Uint16(b[58:]))
	meta := le.Uint32(b[60:])
	if id == 0 || id > MaxID || event > MaxID || meta > MaxMeta {
		return record{}, false
	}
	end := recordStart + id + event + int(meta)
	kind := Kind(b[5])
	if end > len(b) || kind < Summary || kind > Picture || le.Uint32(b[8:]) != sumBut(b[:end]) {
		return record{}, false
	}
	names := b[recordStart:]
	return record{
		key:    key{string(names[:id]), kind},
		event:  string(names[id : id+event]),
		life:   le.Uint64(b[16:]),
		seq:    le.Uint64(b[24:]),
		wseq:   le.Uint64(b[32:]),
		synced: le.Uint64(b[40:]),
		putMS:  int64(le.Uint64(b[48:])),
		meta:   bytes.Clone(names[id+event : id+event+int(meta)]),
		body:   le.Uint32(b[64:]),
		sum:    le.Uint32(b[12:]),
	}, true
}
