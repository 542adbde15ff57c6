#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tpm.h"

enum kind { NUMBER, SECONDS, FLAG, UNLOCK, TAMPER, LEVEL, USE, CLOSED, SIGNATURE, PATH, SOURCES, PCRS, KDF };

static bool is_text(enum kind k)
{
	return k == PATH || k == SOURCES;
}

struct setting {
	const char *key;
	size_t offset;
	enum kind kind;
	uint64_t initial, least, most;
	const char *help;
};

static const struct setting settings[] = {
#define SETTING(key, field, kind, initial, least, most, help)                               \
	{ key, offsetof(struct config, field), kind, initial, least, most, help },
#include "config.def"
#undef SETTING
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

/* words: what a kind accepts instead of numbers; the value is the word's place. */
static const char *const words[][6] = {
	[NUMBER] = { NULL },
	[SECONDS] = { "never", NULL },
	[FLAG] = { "no", "yes", NULL },
	[UNLOCK] = { "file", "passphrase", "tpm", NULL },
	[TAMPER] = { "log", "lock", "zeroize", NULL },
	[LEVEL] = { "error", "warn", "notice", "info", "debug", NULL },
	[USE] = { "none", "every", "counted", "first", NULL },
	[CLOSED] = { "administration", "changes", "everything", NULL },
	[SIGNATURE] = { "ed25519", "ed25519+ml-dsa-65", NULL },
	[PATH] = { "none", NULL },
	[SOURCES] = { "none", NULL },
	[PCRS] = { "none", NULL },
	[KDF] = { "argon2id", "pbkdf2", NULL },
};

static void *field(const struct config *c, const struct setting *s)
{
	return (char *)(uintptr_t)c + s->offset;
}

static void put_number(struct config *c, const struct setting *s, uint64_t v)
{
	memcpy(field(c, s), &v, sizeof(v));
}

static uint64_t get_number(const struct config *c, const struct setting *s)
{
	uint64_t v;

	memcpy(&v, field(c, s), sizeof(v));
	return v;
}

void config_default(struct config *c)
{
	*c = (struct config){ 0 };
	for (size_t i = 0; i < SETTINGS; i++)
		if (!is_text(settings[i].kind))
			put_number(c, &settings[i], settings[i].initial);
}

static bool set_text(struct config *c, const struct setting *s, const char *value)
{
	size_t n = strlen(value);

	if (strcmp(value, words[s->kind][0]) == 0)
		n = 0;
	else if ((s->kind == PATH ? value[0] != '/' : strchr(value, ':') == NULL) || n >= CONFIG_PATH)
		return false;
	memcpy(field(c, s), value, n);
	((char *)field(c, s))[n] = '\0';
	return true;
}

static bool set_word(struct config *c, const struct setting *s, const char *value)
{
	for (size_t i = 0; words[s->kind][i] != NULL; i++)
		if (strcmp(words[s->kind][i], value) == 0) {
			put_number(c, s, i);
			return true;
		}
	return false;
}

static bool set_number(struct config *c, const struct setting *s, const char *value)
{
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)*value))
		return false;
	errno = 0;
	v = strtoull(value, &end, 10);
	if (*end != '\0' || errno != 0 || v < s->least || v > s->most)
		return false;
	put_number(c, s, v);
	return true;
}

static bool set_pcrs(struct config *c, const struct setting *s, const char *value)
{
	uint32_t pcrs;

	if (!tpm_pcrs_parse(value, &pcrs))
		return false;
	put_number(c, s, pcrs);
	return true;
}

static bool set_value(struct config *c, const struct setting *s, const char *value)
{
	switch (s->kind) {
	case NUMBER:
		return set_number(c, s, value);
	case SECONDS:
		return set_word(c, s, value) || set_number(c, s, value);
	case PATH:
	case SOURCES:
		return set_text(c, s, value);
	case PCRS:
		return set_word(c, s, value) || set_pcrs(c, s, value);
	case FLAG:
	case KDF:
	case UNLOCK:
	case TAMPER:
	case LEVEL:
	case USE:
	case CLOSED:
	case SIGNATURE:
		return set_word(c, s, value);
	}
	return false;
}

static void say_allowed(const struct setting *s, char why[CONFIG_WHY])
{
	int n = 0;

	if (s->kind == NUMBER || s->kind == SECONDS)
		n = snprintf(why, CONFIG_WHY, "must be a number from %llu to %llu",
			(unsigned long long)s->least, (unsigned long long)s->most);
	if (s->kind == PATH)
		n = snprintf(why, CONFIG_WHY, "must be a path that begins with / and has less than %d bytes",
			CONFIG_PATH);
	if (s->kind == SOURCES)
		n = snprintf(why, CONFIG_WHY, "must be command:..., gpio:... or input:..., with ; between");
	if (s->kind == PCRS)
		n = snprintf(why, CONFIG_WHY, "must be numbers from 0 to %u with commas between",
			TPM_PCRS - 1);
	for (size_t i = 0; words[s->kind][i] != NULL && n >= 0 && n < CONFIG_WHY; i++)
		n += snprintf(why + n, (size_t)(CONFIG_WHY - n), "%s%s", n == 0 ? "must be " : i > 0 ?
			(words[s->kind][i + 1] == NULL ? " or " : ", ") : ", or ", words[s->kind][i]);
}

bool config_set(struct config *c, const char *key, const char *value, char why[CONFIG_WHY])
{
	for (size_t i = 0; i < SETTINGS; i++) {
		if (strcmp(settings[i].key, key) != 0)
			continue;
		if (set_value(c, &settings[i], value))
			return true;
		say_allowed(&settings[i], why);
		return false;
	}
	snprintf(why, CONFIG_WHY, "there is no such setting; holdfastd --print-config shows all");
	return false;
}

static char *trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

static bool read_line(struct config *c, char *line, const char *name, unsigned number)
{
	char why[CONFIG_WHY], *eq, *key = line, *value;

	line[strcspn(line, "#")] = '\0';
	if (*trim(line) == '\0')
		return true;
	eq = strchr(line, '=');
	if (eq == NULL) {
		fprintf(stderr, "holdfastd: %s:%u: '%s' is not of the form key = value\n", name, number,
			trim(line));
		return false;
	}
	*eq = '\0';
	key = trim(line);
	value = trim(eq + 1);
	if (config_set(c, key, value, why))
		return true;
	fprintf(stderr, "holdfastd: %s:%u: %s = %s: %s\n", name, number, key, value, why);
	return false;
}

/* whole_line: false when fgets stopped in the middle of a line. */
static bool whole_line(const char *line, FILE *f)
{
	return strchr(line, '\n') != NULL || feof(f);
}

bool config_read(struct config *c, FILE *f, const char *name)
{
	char line[CONFIG_PATH + 256];
	unsigned number = 0;
	bool ok = true;

	while (fgets(line, sizeof(line), f) != NULL) {
		number++;
		if (!whole_line(line, f)) {
			fprintf(stderr, "holdfastd: %s:%u: the line is too long\n", name, number);
			return false;
		}
		ok = read_line(c, line, name, number) && ok;
	}
	if (ferror(f)) {
		fprintf(stderr, "holdfastd: %s: cannot be read: %s\n", name, strerror(errno));
		return false;
	}
	return ok;
}

static void write_value(const struct config *c, const struct setting *s, FILE *f)
{
	const char *word = NULL;
	char pcrs[TPM_PCRS_TEXT];
	uint64_t v = 0;

	if (is_text(s->kind))
		word = *(const char *)field(c, s) != '\0' ? field(c, s) : words[PATH][0];
	else
		v = get_number(c, s);
	if (s->kind == PCRS) {
		tpm_pcrs_text((uint32_t)v, pcrs);
		word = pcrs;
	} else if (!is_text(s->kind) && s->kind != NUMBER && (s->kind != SECONDS || v == 0))
		word = words[s->kind][v];
	if (word != NULL)
		fprintf(f, "%s = %s\n", s->key, word);
	else
		fprintf(f, "%s = %llu\n", s->key, (unsigned long long)v);
}

bool config_write(const struct config *c, FILE *f, bool with_help)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		if (with_help)
			fprintf(f, "# %s\n#", settings[i].help);
		write_value(c, &settings[i], f);
		if (with_help)
			fputc('\n', f);
	}
	return fflush(f) == 0;
}
