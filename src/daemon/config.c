#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { NUMBER, SECONDS, FLAG, UNLOCK, LEVEL };

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
	[UNLOCK] = { "file", "passphrase", NULL },
	[LEVEL] = { "error", "warn", "notice", "info", "debug", NULL },
};

static uint64_t *field(struct config *c, const struct setting *s)
{
	return (uint64_t *)(void *)((char *)c + s->offset);
}

void config_default(struct config *c)
{
	for (size_t i = 0; i < SETTINGS; i++)
		*field(c, &settings[i]) = settings[i].initial;
}

static bool word_value(enum kind k, const char *value, uint64_t *ret)
{
	for (size_t i = 0; words[k][i] != NULL; i++)
		if (strcmp(words[k][i], value) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

static void say_allowed(const struct setting *s, char why[160])
{
	size_t n = 0;

	if (s->kind == NUMBER || s->kind == SECONDS)
		n = (size_t)snprintf(why, 160, "a number from %llu to %llu%s",
			(unsigned long long)s->least, (unsigned long long)s->most,
			s->kind == SECONDS ? ", or " : "");
	for (size_t i = 0; words[s->kind][i] != NULL && n < 160; i++)
		n += (size_t)snprintf(why + n, 160 - n, "%s%s", i > 0 ? ", " : "", words[s->kind][i]);
}

bool config_set(struct config *c, const char *key, const char *value, char why[160])
{
	for (size_t i = 0; i < SETTINGS; i++) {
		const struct setting *s = &settings[i];
		unsigned long long v;
		char *end;

		if (strcmp(s->key, key) != 0)
			continue;
		if (word_value(s->kind, value, field(c, s)))
			return true;
		errno = 0;
		v = strtoull(value, &end, 10);
		if ((s->kind == NUMBER || s->kind == SECONDS) && isdigit((unsigned char)*value) &&
		    *end == '\0' && errno == 0 && v >= s->least && v <= s->most) {
			*field(c, s) = v;
			return true;
		}
		say_allowed(s, why);
		return false;
	}
	snprintf(why, 160, "one of the settings in holdfast.conf(5)");
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
	char why[160], *eq, *key = line, *value;

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
	fprintf(stderr, "holdfastd: %s:%u: %s = %s: must be %s\n", name, number, key, value, why);
	return false;
}

bool config_read(struct config *c, FILE *f, const char *name)
{
	char line[512];
	unsigned number = 0;
	bool ok = true;

	while (fgets(line, sizeof(line), f) != NULL)
		ok = read_line(c, line, name, ++number) && ok;
	if (ferror(f)) {
		fprintf(stderr, "holdfastd: %s: cannot be read\n", name);
		return false;
	}
	return ok;
}

bool config_write(const struct config *c, FILE *f, bool with_help)
{
	struct config copy = *c;

	for (size_t i = 0; i < SETTINGS; i++) {
		const struct setting *s = &settings[i];
		uint64_t v = *field(&copy, s);
		bool is_word = s->kind != NUMBER && (s->kind != SECONDS || v == 0);

		if (with_help)
			fprintf(f, "# %s\n#", s->help);
		if (is_word)
			fprintf(f, "%s = %s\n", s->key, words[s->kind][v]);
		else
			fprintf(f, "%s = %llu\n", s->key, (unsigned long long)v);
		if (with_help)
			fputc('\n', f);
	}
	return fflush(f) == 0;
}
