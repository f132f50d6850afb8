package systemd

import (
	"os"
	"strings"
	"testing"
)

// The template for further cameras is the unit itself but for names.
func TestTemplateIsTheUnit(t *testing.T) {
	unit, err := os.ReadFile("pirwatch.service")
	if err != nil {
		t.Fatal(err)
	}
	template, err := os.ReadFile("pirwatch@.service")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		"Description=pirwatch, ", "Description=pirwatch for the camera %i, ",
		"/etc/pirwatch/pirwatch.toml", "/etc/pirwatch/%i.toml",
		"\nStateDirectory=pirwatch\n", "\nStateDirectory=pirwatch-%i\n",
		"\nRuntimeDirectory=pirwatch\n", "\nRuntimeDirectory=pirwatch-%i\n",
	).Replace(string(unit))
	if string(template) != want {
		t.Error("pirwatch@.service is not pirwatch.service with %i in it; make them agree")
	}
}
