/* backup_file.c: see backup_file.h. */
#include "backup_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum hf_err cli_passphrase(struct cli *c, bool fresh, struct secret *ret)
{
	return cli_pin(c, OPT_PASS_FILE, OPT_PASS_FD, "Passphrase of the backup", fresh, ret);
}

static bool bad(const struct backup_file *b, const char *what, enum hf_err e)
{
	char where[4096 + 80];

	(void)snprintf(where, sizeof(where), "%s: %s", b->path, what);
	(void)cli_fail(where, e);
	return false;
}

static bool bad_frame(const struct backup_file *b, enum hf_err e)
{
	char what[60];

	(void)snprintf(what, sizeof(what), "piece %llu, at byte %llu",
		(unsigned long long)b->chain.next, (unsigned long long)b->bytes);
	return bad(b, what, e);
}

/* more appends n bytes of the file; the error says whether it ended or could not be read. */
static bool more(struct backup_file *b, struct buf *to, size_t n)
{
	uint8_t *p = buf_add(to, n);

	return p != NULL && fread(p, 1, n, b->f) == n;
}

static bool cut(const struct backup_file *b)
{
	if (ferror(b->f) != 0)
		(void)cli_usage("%s: %s", b->path, strerror(errno));
	else
		(void)cli_usage("%s: cut short in piece %llu, at byte %llu: its end was lost",
			b->path, (unsigned long long)b->chain.next, (unsigned long long)b->bytes);
	return false;
}

static bool read_header(struct backup_file *b)
{
	enum hf_err e;
	size_t n;

	b->head_raw = BUF_MAX(BACKUP_HEADER_MOST);
	if (!more(b, &b->head_raw, BACKUP_PREFIX))
		return bad(b, "header", HF_E_BACKUP);
	e = backup_header_length(buf_slice(&b->head_raw), &n);
	if (e == HF_OK && !more(b, &b->head_raw, n - BACKUP_PREFIX))
		return cut(b);
	if (e == HF_OK)
		e = backup_header_read(buf_slice(&b->head_raw), &b->head);
	if (e != HF_OK)
		return bad(b, "header", e);
	b->bytes = n;
	backup_look(&b->head, &b->chain);
	return true;
}

static bool begin(const char *path, FILE *f, struct backup_file *ret)
{
	enum hf_err e = crypto_init();

	*ret = (struct backup_file){ .path = path, .f = f, .raw = BUF_MAX(BACKUP_FRAME_MOST) };
	if (f == NULL) {
		(void)cli_usage("%s: %s", path, strerror(errno));
		return false;
	}
	return e != HF_OK ? bad(ret, "reading", e) : read_header(ret);
}

bool backup_file_open(const char *path, struct backup_file *ret)
{
	return begin(path, fopen(path, "rb"), ret);
}

bool backup_file_from(FILE *f, const char *name, struct backup_file *ret)
{
	int fd = dup(fileno(f));
	FILE *own = fd < 0 ? NULL : fdopen(fd, "rb");

	if (own == NULL && fd >= 0)
		(void)close(fd);
	if (own != NULL)
		rewind(own);
	return begin(name, own, ret);
}

bool backup_file_next(struct backup_file *b)
{
	enum hf_err e;
	size_t n;

	buf_reset(&b->raw);
	if (!more(b, &b->raw, 4))
		return cut(b);
	e = backup_frame_length(buf_slice(&b->raw), &n);
	if (e != HF_OK)
		return bad_frame(b, e);
	if (!more(b, &b->raw, n - 4))
		return cut(b);
	memcpy(b->before, b->chain.last, CRYPTO_HASH);
	e = backup_frame_check(&b->chain, buf_slice(&b->raw), &b->frame);
	if (e != HF_OK)
		return bad_frame(b, e);
	b->bytes += n;
	return true;
}

bool backup_file_over(struct backup_file *b)
{
	if (fgetc(b->f) == EOF)
		return true;
	(void)cli_usage("%s: something follows the end of the backup, at byte %llu", b->path,
		(unsigned long long)b->bytes);
	return false;
}

void backup_file_done(struct backup_file *b)
{
	if (b->f != NULL)
		(void)fclose(b->f);
	buf_done(&b->raw);
	buf_done(&b->head_raw);
	backup_chain_done(&b->chain);
}
