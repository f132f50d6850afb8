/* The peer of test/bench/decode: libjpeg-turbo through its ordinary interface.
 *
 *   libjpeg encode W H HSAMP VSAMP   raw RGB frames on stdin to a set on stdout
 *   libjpeg decode SET               a pass over the set for each line on stdin
 *
 * A set is pictures, each behind its length (4 bytes, little-endian). decode
 * prints, once, a checksum of all planes at scale 1/8 in gray, then for each pass
 * its CPU time in nanoseconds.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <jpeglib.h>

static int encode(int w, int h, int hs, int vs)
{
	unsigned char *rgb = malloc((size_t)w * h * 3);
	while (fread(rgb, (size_t)w * h * 3, 1, stdin) == 1) {
		struct jpeg_compress_struct c;
		struct jpeg_error_mgr err;
		unsigned char *out = NULL;
		unsigned long n = 0;
		c.err = jpeg_std_error(&err);
		jpeg_create_compress(&c);
		jpeg_mem_dest(&c, &out, &n);
		c.image_width = w;
		c.image_height = h;
		c.input_components = 3;
		c.in_color_space = JCS_RGB;
		jpeg_set_defaults(&c);
		jpeg_set_quality(&c, 80, TRUE);
		c.comp_info[0].h_samp_factor = hs;
		c.comp_info[0].v_samp_factor = vs;
		jpeg_start_compress(&c, TRUE);
		while (c.next_scanline < c.image_height) {
			JSAMPROW row = rgb + (size_t)c.next_scanline * w * 3;
			jpeg_write_scanlines(&c, &row, 1);
		}
		jpeg_finish_compress(&c);
		jpeg_destroy_compress(&c);
		unsigned char len[4] = {n, n >> 8, n >> 16, n >> 24};
		fwrite(len, 4, 1, stdout);
		fwrite(out, n, 1, stdout);
		free(out);
	}
	free(rgb);
	return 0;
}

static unsigned char plane[8192 * 8192 / 64];

/* one picture at 1/8 in gray; returns the bytes of its plane */
static size_t luma(struct jpeg_decompress_struct *d, unsigned char *pic, size_t n)
{
	jpeg_mem_src(d, pic, n);
	jpeg_read_header(d, TRUE);
	d->out_color_space = JCS_GRAYSCALE;
	d->scale_num = 1;
	d->scale_denom = 8;
	jpeg_start_decompress(d);
	while (d->output_scanline < d->output_height) {
		JSAMPROW row = plane + (size_t)d->output_scanline * d->output_width;
		jpeg_read_scanlines(d, &row, 1);
	}
	size_t size = (size_t)d->output_width * d->output_height;
	jpeg_finish_decompress(d);
	return size;
}

static int decode(const char *name)
{
	FILE *f = fopen(name, "rb");
	if (!f) {
		perror(name);
		return 1;
	}
	fseek(f, 0, SEEK_END);
	size_t size = ftell(f);
	rewind(f);
	unsigned char *set = malloc(size);
	if (fread(set, size, 1, f) != 1)
		return 1;
	fclose(f);

	struct jpeg_decompress_struct d;
	struct jpeg_error_mgr err;
	d.err = jpeg_std_error(&err);
	jpeg_create_decompress(&d);
	uint64_t sum = 14695981039346656037u; /* FNV-1a */
	for (int pass = 0;; pass++) {
		struct timespec a, b;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
		for (size_t at = 0; at + 4 <= size;) {
			size_t n = set[at] | set[at + 1] << 8 | set[at + 2] << 16 | (size_t)set[at + 3] << 24;
			size_t got = luma(&d, set + at + 4, n);
			for (size_t i = 0; pass == 0 && i < got; i++)
				sum = (sum ^ plane[i]) * 1099511628211u;
			at += 4 + n;
		}
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
		if (pass == 0)
			printf("%llu\n", (unsigned long long)sum);
		else
			printf("%lld\n", (b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec);
		fflush(stdout);
		char line[16];
		if (!fgets(line, sizeof line, stdin))
			return 0;
	}
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "encode"))
		return encode(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
	if (argc == 3 && !strcmp(argv[1], "decode"))
		return decode(argv[2]);
	return 2;
}
