package view

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed web/*.html web/*.css web/*.svg web/*.js web/*.webmanifest web/vendor/*.gz
var web embed.FS

// asset is a file of the page, compressed.
type asset struct {
	gz   []byte
	etag string
	kind string
	open bool // served without a login
}

var kinds = map[string]string{
	".html":        "text/html; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".svg":         "image/svg+xml",
	".webmanifest": "application/manifest+json",
}

// assets reads the embedded files; those that are not compressed yet are now,
// once, so that serving costs nothing.
func assets() (map[string]*asset, error) {
	files := make(map[string]*asset)
	err := fs.WalkDir(web, "web", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := web.ReadFile(name)
		if err != nil {
			return err
		}
		url, packed := strings.CutSuffix(strings.TrimPrefix(name, "web"), ".gz")
		if !packed {
			var b bytes.Buffer
			z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
			z.Write(data)
			z.Close()
			data = b.Bytes()
		}
		sum := sha256.Sum256(data)
		files[url] = &asset{gz: data, etag: `"` + hex.EncodeToString(sum[:8]) + `"`, kind: kinds[path.Ext(url)]}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("view: read the page's files: %w", err)
	}
	for _, name := range []string{"/login.html", "/login.js", "/style.css", "/icon.svg", "/page.webmanifest"} {
		if files[name] == nil {
			return nil, fmt.Errorf("view: the page lacks %s", name)
		}
		files[name].open = true
	}
	return files, nil
}

// file serves the page; without a login, the login form in its place.
func (s *Server) file(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "The page can only be read.", http.StatusMethodNotAllowed)
		return
	}
	name, status := r.URL.Path, http.StatusOK
	if name == "/" {
		name = "/index.html"
	}
	f := s.files[name]
	if f == nil {
		http.Error(w, "There is no such page.", http.StatusNotFound)
		return
	}
	if !f.open && s.session(r) == nil {
		if name != "/index.html" {
			http.Error(w, "Log in first.", http.StatusUnauthorized)
			return
		}
		f, status = s.files["/login.html"], http.StatusUnauthorized
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.etag)
	h.Set("Vary", "Accept-Encoding, Cookie")
	if status == http.StatusOK && r.Header.Get("If-None-Match") == f.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.kind)
	body := f.gz
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
	} else if z, err := gzip.NewReader(bytes.NewReader(f.gz)); err == nil {
		body, _ = io.ReadAll(z)
	}
	w.WriteHeader(status)
	w.Write(body)
}
