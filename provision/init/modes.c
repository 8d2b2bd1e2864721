/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Table and decoder of the terminal modes that an SSH client sends. Runs in the helper of a spawn. */
#include "modes.h"

#define OP_END       0
#define OP_CS7       90
#define OP_CS8       91
#define OP_ISPEED    128
#define OP_OSPEED    129
#define OP_UNDEFINED 160 /* from here on not even the argument's length is known */
#define CC_DISABLED  255 /* "no such character" on the wire */

enum where { CHARACTER, INPUT, LOCAL, OUTPUT, CONTROL };

struct mode {
	uint8_t op;
	uint8_t where;  /* enum where */
	tcflag_t value; /* index of c_cc, or the flag */
};

static const struct mode modes[] = {
	{ 1, CHARACTER, VINTR },   { 2, CHARACTER, VQUIT },     { 3, CHARACTER, VERASE },
	{ 4, CHARACTER, VKILL },   { 5, CHARACTER, VEOF },      { 6, CHARACTER, VEOL },
	{ 7, CHARACTER, VEOL2 },   { 8, CHARACTER, VSTART },    { 9, CHARACTER, VSTOP },
	{ 10, CHARACTER, VSUSP },  { 12, CHARACTER, VREPRINT }, { 13, CHARACTER, VWERASE },
	{ 14, CHARACTER, VLNEXT }, { 16, CHARACTER, VSWTC },    { 18, CHARACTER, VDISCARD },
	{ 30, INPUT, IGNPAR },     { 31, INPUT, PARMRK },       { 32, INPUT, INPCK },
	{ 33, INPUT, ISTRIP },     { 34, INPUT, INLCR },        { 35, INPUT, IGNCR },
	{ 36, INPUT, ICRNL },      { 37, INPUT, IUCLC },        { 38, INPUT, IXON },
	{ 39, INPUT, IXANY },      { 40, INPUT, IXOFF },        { 41, INPUT, IMAXBEL },
	{ 42, INPUT, IUTF8 },      { 50, LOCAL, ISIG },         { 51, LOCAL, ICANON },
	{ 52, LOCAL, XCASE },      { 53, LOCAL, ECHO },         { 54, LOCAL, ECHOE },
	{ 55, LOCAL, ECHOK },      { 56, LOCAL, ECHONL },       { 57, LOCAL, NOFLSH },
	{ 58, LOCAL, TOSTOP },     { 59, LOCAL, IEXTEN },       { 60, LOCAL, ECHOCTL },
	{ 61, LOCAL, ECHOKE },     { 62, LOCAL, PENDIN },       { 70, OUTPUT, OPOST },
	{ 71, OUTPUT, OLCUC },     { 72, OUTPUT, ONLCR },       { 73, OUTPUT, OCRNL },
	{ 74, OUTPUT, ONOCR },     { 75, OUTPUT, ONLRET },      { 92, CONTROL, PARENB },
	{ 93, CONTROL, PARODD },
};

static const struct {
	uint32_t baud;
	speed_t speed;
} speeds[] = {
	{ 50, B50 },           { 75, B75 },         { 110, B110 },         { 134, B134 },
	{ 150, B150 },         { 200, B200 },       { 300, B300 },         { 600, B600 },
	{ 1200, B1200 },       { 1800, B1800 },     { 2400, B2400 },       { 4800, B4800 },
	{ 9600, B9600 },       { 19200, B19200 },   { 38400, B38400 },     { 57600, B57600 },
	{ 115200, B115200 },   { 230400, B230400 }, { 460800, B460800 },   { 500000, B500000 },
	{ 576000, B576000 },   { 921600, B921600 }, { 1000000, B1000000 }, { 2000000, B2000000 },
	{ 4000000, B4000000 },
};

static void set_flag(tcflag_t *flags, tcflag_t flag, uint32_t on)
{
	*flags = on ? *flags | flag : *flags & ~flag;
}

static void apply_mode(const struct mode *m, uint32_t arg, struct termios *t)
{
	switch ((enum where)m->where) {
	case CHARACTER:
		t->c_cc[m->value] = arg == CC_DISABLED ? 0 : (cc_t)arg; /* 0 = _POSIX_VDISABLE */
		break;
	case INPUT:
		set_flag(&t->c_iflag, m->value, arg);
		break;
	case LOCAL:
		set_flag(&t->c_lflag, m->value, arg);
		break;
	case OUTPUT:
		set_flag(&t->c_oflag, m->value, arg);
		break;
	case CONTROL:
		set_flag(&t->c_cflag, m->value, arg);
		break;
	}
}

/* A speed that this system has no name for is left alone, and so is 0, which would hang up the line. */
static void apply_speed(uint8_t op, uint32_t baud, struct termios *t)
{
	for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
		if (speeds[i].baud != baud)
			continue;
		if (op == OP_ISPEED)
			cfsetispeed(t, speeds[i].speed);
		else
			cfsetospeed(t, speeds[i].speed);
	}
}

static void apply(uint8_t op, uint32_t arg, struct termios *t)
{
	if (op == OP_ISPEED || op == OP_OSPEED)
		apply_speed(op, arg, t);
	/* The size is one field of two bits, not two flags; clearing is done by naming the other size. */
	if (arg && (op == OP_CS8 || (op == OP_CS7 && (t->c_cflag & CSIZE) != CS8)))
		t->c_cflag = (t->c_cflag & ~(tcflag_t)CSIZE) | (op == OP_CS8 ? CS8 : CS7);
	if (!arg && op == OP_CS8 && (t->c_cflag & CSIZE) == CS8)
		t->c_cflag = (t->c_cflag & ~(tcflag_t)CSIZE) | CS7;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (modes[i].op == op)
			apply_mode(&modes[i], arg, t);
}

void modes_apply(const uint8_t *blob, size_t n, struct termios *t)
{
	t->c_iflag |= IUTF8;
	while (n >= 5 && blob[0] != OP_END && blob[0] < OP_UNDEFINED) {
		uint32_t arg = (uint32_t)blob[1] << 24 | (uint32_t)blob[2] << 16 |
			       (uint32_t)blob[3] << 8 | blob[4];

		apply(blob[0], arg, t);
		blob += 5;
		n -= 5;
	}
}
