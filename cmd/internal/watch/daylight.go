package watch

import (
	"image"
	"time"

	"pirwatch/capture"
	"pirwatch/cmd/internal/schedule"
)

// Daylight says how day is told from night, and what differs.
type Daylight struct {
	By           string        // "off", "sun" or "brightness"
	Sun          schedule.Sun  // for "sun"
	Dark, Bright float64       // for "brightness": night below Dark, day above Bright, of 1
	Hold         time.Duration // the brightness must stay there this long
	NightLamp    bool          // the lamp lights the picture at night: then only the sun or a much brighter picture ends it
	Day, Night   int           // sensitivity by day and by night, unless one was set over MQTT; 0 = the setting
}

// sensitivity returns the profile's, or 0 where it leaves the setting alone.
func (d Daylight) sensitivity(night bool) int {
	if d.By == "off" || d.By == "" {
		return 0
	}
	if night {
		return d.Night
	}
	return d.Day
}

// daylight knows whether it is night.
type daylight struct {
	o     Daylight
	night bool
	since time.Time // since when the brightness says otherwise
	lit   float64   // the brightness once the lamp had come on
	fell  time.Time // when night fell
	until time.Time // the sun's next change
}

// bySun returns whether day and night changed.
func (d *daylight) bySun(now time.Time) bool {
	if d.o.By != "sun" || now.Before(d.until) {
		return false
	}
	up, next := d.o.Sun.Up(now)
	d.until = next
	changed := d.night == up
	d.night = !up
	return changed
}

// byBrightness returns whether day and night changed. Where the lamp lights the
// scene at night its own light must not pass for the day's: the picture has to
// become brighter by as much as lies between Dark and Bright.
func (d *daylight) byBrightness(at time.Time, brightness float64) bool {
	if d.o.By != "brightness" {
		return false
	}
	limit := d.o.Bright
	if d.o.NightLamp && d.night {
		if at.Sub(d.fell) < lampSettles {
			d.lit = max(d.lit, brightness)
			return false
		}
		limit = max(limit, d.lit+d.o.Bright-d.o.Dark)
	}
	other := !d.night && brightness < d.o.Dark || d.night && brightness > limit
	switch {
	case !other:
		d.since = time.Time{}
	case d.since.IsZero():
		d.since = at
	case at.Sub(d.since) >= d.o.Hold:
		d.night, d.since, d.lit, d.fell = !d.night, time.Time{}, 0, at
		return true
	}
	return false
}

// lampSettles is how long lamp and exposure may take after nightfall.
const lampSettles = 30 * time.Second

// brightness feeds the mean luma of a compared frame.
func (l *Loop) brightness(at time.Time, plane *image.Gray) {
	if l.o.Daylight.By != "brightness" {
		return
	}
	sum, n := 0, plane.Bounds().Dx()*plane.Bounds().Dy()
	for y := range plane.Bounds().Dy() {
		row := plane.Pix[y*plane.Stride:]
		for _, v := range row[:plane.Bounds().Dx()] {
			sum += int(v)
		}
	}
	if n > 0 && l.day.byBrightness(at, float64(sum)/float64(255*n)) {
		l.nightfall()
	}
}

// glance measures the brightness where frames are not compared.
func (l *Loop) glance(f capture.Frame) {
	if l.o.Daylight.By != "brightness" || l.comparing() || !l.glances.due(f.At, time.Second) {
		return
	}
	if plane, err := l.luma.of(f); err == nil {
		l.brightness(f.At, plane)
	}
}

// daily follows the sun and the schedule.
func (l *Loop) daily() {
	now := l.clock()
	if l.day.bySun(now) {
		l.nightfall()
	}
	l.applySchedule()
}

// nightfall carries out a change between day and night.
func (l *Loop) nightfall() {
	l.stats.night.Store(l.day.night)
	name := map[bool]string{true: "night", false: "day"}[l.day.night]
	l.log.Info("profile", "now", name)
	if l.sensitivity() != l.tuned { // a new detector has to learn the scene first
		l.renewDetector()
		l.p.Outbox.State("sensitivity", l.state("sensitivity"))
	}
	l.renewDeveloper()
	if l.p.OnNight != nil {
		l.p.OnNight(l.day.night)
	}
	l.showLamp()
}

// showLamp sets the lamp to what it is to show. A lamp that cannot be switched
// is told once.
func (l *Loop) showLamp() {
	if l.p.Lamp == nil {
		return
	}
	on := false
	switch l.o.Lamp {
	case "night":
		on = l.day.night
	case "event":
		on = l.event != nil
	case "status":
		on = true
	}
	if err := l.p.Lamp.Set(on); err != nil {
		if l.lampErr != err.Error() {
			l.log.Warn("lamp", "error", err)
		}
		l.lampErr = err.Error()
		return
	}
	l.lampErr = ""
}
