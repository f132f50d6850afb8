package picture

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// GPS is where the camera stands: WGS 84, degrees, north and east positive.
type GPS struct {
	Latitude, Longitude float64
}

// metadata is what goes into a picture's EXIF segment.
type metadata struct {
	at            time.Time // in the zone that is to be told
	camera        string
	id            string
	gps           *GPS
	width, height int
}

// EXIF tags and types, by Exif 2.32 (CIPA DC-008-2019) sections 4.6.4 to 4.6.6.
const (
	tagImageDescription    = 0x010e
	tagModel               = 0x0110
	tagXResolution         = 0x011a
	tagYResolution         = 0x011b
	tagResolutionUnit      = 0x0128
	tagSoftware            = 0x0131
	tagDateTime            = 0x0132
	tagYCbCrPositioning    = 0x0213
	tagExifIFD             = 0x8769
	tagGPSIFD              = 0x8825
	tagExifVersion         = 0x9000
	tagDateTimeOriginal    = 0x9003
	tagOffsetTime          = 0x9010
	tagOffsetTimeOriginal  = 0x9011
	tagComponents          = 0x9101
	tagSubSecTime          = 0x9290
	tagSubSecTimeOriginal  = 0x9291
	tagFlashpixVersion     = 0xa000
	tagColorSpace          = 0xa001
	tagPixelXDimension     = 0xa002
	tagPixelYDimension     = 0xa003
	tagImageUniqueID       = 0xa420
	tagGPSVersionID        = 0x0000
	tagGPSLatitudeRef      = 0x0001
	tagGPSLatitude         = 0x0002
	tagGPSLongitudeRef     = 0x0003
	tagGPSLongitude        = 0x0004
	tagGPSMapDatum         = 0x0012
	typeByte, typeASCII    = 1, 2
	typeShort, typeLong    = 3, 4
	typeRational, typeUndf = 5, 7
)

// field is an entry of an IFD.
type field struct {
	tag, kind uint16
	count     uint32
	value     []byte
}

// maxText bounds a text in EXIF, in bytes.
const maxText = 200

func text(tag uint16, s string) field {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return field{tag, typeASCII, uint32(len(s) + 1), append([]byte(s), 0)}
}

func short(tag uint16, v uint16) field {
	return field{tag, typeShort, 1, binary.LittleEndian.AppendUint16(nil, v)}
}

func long(tag uint16, v uint32) field {
	return field{tag, typeLong, 1, binary.LittleEndian.AppendUint32(nil, v)}
}

func raw(tag, kind uint16, v ...byte) field { return field{tag, kind, uint32(len(v)), v} }

func rationals(tag uint16, v ...[2]uint32) field {
	f := field{tag, typeRational, uint32(len(v)), nil}
	for _, r := range v {
		f.value = binary.LittleEndian.AppendUint32(f.value, r[0])
		f.value = binary.LittleEndian.AppendUint32(f.value, r[1])
	}
	return f
}

// degrees writes an angle as degrees, minutes and ten-thousandths of seconds.
func degrees(tag uint16, v float64) field {
	t := uint64(math.Round(math.Abs(v) * 3600 * 1e4))
	return rationals(tag, [2]uint32{uint32(t / (3600 * 1e4)), 1}, [2]uint32{uint32(t / (60 * 1e4) % 60), 1}, [2]uint32{uint32(t % (60 * 1e4)), 1e4})
}

// ifd appends a directory, whose start in the TIFF block is len(b), with its
// values behind it (TIFF 6.0, section 2).
func ifd(b []byte, fields []field) []byte {
	slices.SortFunc(fields, func(a, b field) int { return int(a.tag) - int(b.tag) })
	values := len(b) + 2 + 12*len(fields) + 4
	b = binary.LittleEndian.AppendUint16(b, uint16(len(fields)))
	var tail []byte
	for _, f := range fields {
		b = binary.LittleEndian.AppendUint16(b, f.tag)
		b = binary.LittleEndian.AppendUint16(b, f.kind)
		b = binary.LittleEndian.AppendUint32(b, f.count)
		if len(f.value) <= 4 {
			b = append(b, append(f.value, 0, 0, 0, 0)[:4]...)
			continue
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(values+len(tail)))
		if tail = append(tail, f.value...); len(tail)&1 == 1 {
			tail = append(tail, 0)
		}
	}
	b = append(b, 0, 0, 0, 0) // no next directory
	return append(b, tail...)
}

// size is how many bytes ifd appends.
func size(fields []field) int {
	n := 2 + 12*len(fields) + 4
	for _, f := range fields {
		if len(f.value) > 4 {
			n += (len(f.value) + 1) &^ 1
		}
	}
	return n
}

// segment is the whole APP1 segment, marker included.
func (m *metadata) segment() []byte {
	taken, zone := m.at.Format("2006:01:02 15:04:05"), m.at.Format("-07:00")
	sub := fmt.Sprintf("%03d", m.at.Nanosecond()/1e6)
	exif := []field{
		raw(tagExifVersion, typeUndf, '0', '2', '3', '2'),
		text(tagDateTimeOriginal, taken),
		text(tagOffsetTime, zone),
		text(tagOffsetTimeOriginal, zone),
		raw(tagComponents, typeUndf, 1, 2, 3, 0),
		text(tagSubSecTime, sub),
		text(tagSubSecTimeOriginal, sub),
		raw(tagFlashpixVersion, typeUndf, '0', '1', '0', '0'),
		short(tagColorSpace, 1),
		long(tagPixelXDimension, uint32(m.width)),
		long(tagPixelYDimension, uint32(m.height)),
	}
	if m.id != "" {
		exif = append(exif, text(tagImageUniqueID, m.id))
	}
	var gps []field
	if g := m.gps; g != nil {
		ns, ew := "N", "E"
		if g.Latitude < 0 {
			ns = "S"
		}
		if g.Longitude < 0 {
			ew = "W"
		}
		gps = []field{
			raw(tagGPSVersionID, typeByte, 2, 3, 0, 0),
			text(tagGPSLatitudeRef, ns), degrees(tagGPSLatitude, g.Latitude),
			text(tagGPSLongitudeRef, ew), degrees(tagGPSLongitude, g.Longitude),
			text(tagGPSMapDatum, "WGS-84"),
		}
	}
	main := []field{
		rationals(tagXResolution, [2]uint32{72, 1}),
		rationals(tagYResolution, [2]uint32{72, 1}),
		short(tagResolutionUnit, 2),
		text(tagSoftware, "pirwatch"),
		text(tagDateTime, taken),
		short(tagYCbCrPositioning, 1),
		long(tagExifIFD, 0),
	}
	if m.camera != "" {
		main = append(main, text(tagImageDescription, m.camera), text(tagModel, m.camera))
	}
	if gps != nil {
		main = append(main, long(tagGPSIFD, 0))
	}
	const header = 8
	exifAt := header + size(main)
	gpsAt := exifAt + size(exif)
	for i := range main {
		switch main[i].tag {
		case tagExifIFD:
			main[i] = long(tagExifIFD, uint32(exifAt))
		case tagGPSIFD:
			main[i] = long(tagGPSIFD, uint32(gpsAt))
		}
	}
	tiff := []byte{'I', 'I', 42, 0, header, 0, 0, 0}
	tiff = ifd(tiff, main)
	tiff = ifd(tiff, exif)
	if gps != nil {
		tiff = ifd(tiff, gps)
	}
	n := 2 + 6 + len(tiff)
	out := []byte{0xff, 0xe1, byte(n >> 8), byte(n), 'E', 'x', 'i', 'f', 0, 0}
	return append(out, tiff...)
}

// withEXIF puts the segment right behind SOI and leaves out EXIF that is there
// already. A JPEG whose header it cannot follow gets the segment all the same.
func withEXIF(jpeg, segment []byte) []byte {
	out := make([]byte, 0, len(jpeg)+len(segment))
	out = append(out, jpeg[:2]...)
	out = append(out, segment...)
	pos := 2
	for pos+4 <= len(jpeg) && jpeg[pos] == 0xff && jpeg[pos+1]&0xf0 == 0xe0 {
		n := 2 + int(jpeg[pos+2])<<8 + int(jpeg[pos+3])
		if n < 4 || pos+n > len(jpeg) {
			break
		}
		if !isEXIF(jpeg[pos : pos+n]) {
			out = append(out, jpeg[pos:pos+n]...)
		}
		pos += n
	}
	return append(out, jpeg[pos:]...)
}

func isEXIF(segment []byte) bool {
	return len(segment) >= 10 && segment[1] == 0xe1 && string(segment[4:10]) == "Exif\x00\x00"
}

// ownEXIF finds the EXIF segment of a JPEG if it is small, without a thumbnail.
func ownEXIF(jpeg []byte) []byte {
	for pos := 2; pos+4 <= len(jpeg) && jpeg[pos] == 0xff && jpeg[pos+1]&0xf0 == 0xe0; {
		n := 2 + int(jpeg[pos+2])<<8 + int(jpeg[pos+3])
		if n < 4 || pos+n > len(jpeg) {
			return nil
		}
		if isEXIF(jpeg[pos:pos+n]) && n <= 2000 {
			return jpeg[pos : pos+n]
		}
		pos += n
	}
	return nil
}
