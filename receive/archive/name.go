package archive

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

const (
	maxName   = 120 // bytes of a camera, picture or event name as it came
	maxOnDisk = 200 // bytes of the same name encoded; file systems stop at 255
	dayLayout = "2006-01-02"
	tempMark  = ".tmp-" // no encoded name begins with a dot
)

// encode turns a name that came over the wire into a file name: letters,
// digits, "_", "-" and inner dots stay, every other byte becomes %XX. Two
// names never share a file name, and none can name a path, a hidden file or
// another directory.
func encode(what, name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("archive: %s is empty", what)
	}
	if len(name) > maxName {
		return "", fmt.Errorf("archive: %s of %d bytes is too long: at most %d", what, len(name), maxName)
	}
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
			b.WriteByte(c)
		case c == '.' && i > 0 && i < len(name)-1:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if reserved(b.String()) {
		first := b.String()
		b.Reset()
		fmt.Fprintf(&b, "%%%02X%s", first[0], first[1:])
	}
	if b.Len() > maxOnDisk {
		return "", fmt.Errorf("archive: %s %.40q… needs %d bytes as a file name: at most %d", what, name, b.Len(), maxOnDisk)
	}
	return b.String(), nil
}

// reserved tells the names that mean devices on Windows, whatever follows their dot.
func reserved(file string) bool {
	name, _, _ := strings.Cut(strings.ToUpper(file), ".")
	switch name {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(name) == 4 && (name[:3] == "COM" || name[:3] == "LPT") && name[3] >= '0' && name[3] <= '9'
}

// decode is the way back; ok is false for a file name that encode cannot have made.
func decode(file string) (name string, ok bool) {
	name, err := url.PathUnescape(file)
	if err != nil {
		return "", false
	}
	again, err := encode("name", name)
	return name, err == nil && again == file
}

// EventOf returns the event that a picture belongs to: pic_id up to its last
// "-" where digits follow, else the whole of it (old senders have no events).
func EventOf(picID string) string {
	i := strings.LastIndexByte(picID, '-')
	if i <= 0 || i == len(picID)-1 || strings.Trim(picID[i+1:], "0123456789") != "" {
		return picID
	}
	return picID[:i]
}

// dayOf is the directory for a time: its date in UTC.
func dayOf(t time.Time) string { return t.UTC().Format(dayLayout) }

// isDay tells a directory of ours from any other.
func isDay(name string) bool {
	t, err := time.Parse(dayLayout, name)
	return err == nil && t.Format(dayLayout) == name
}

// shift returns the day n days later.
func shift(day string, n int) string {
	t, err := time.Parse(dayLayout, day)
	if err != nil {
		return day
	}
	return t.AddDate(0, 0, n).Format(dayLayout)
}
