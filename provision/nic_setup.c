// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The data plane inside.  The control plane keeps the default route: the data plane's gateway is the default only of a
 * table of its own, which packets from the data address use, so that answers leave where questions came in; what else
 * goes through it is what data_routes name.  Runs in workers.
 */
#include "nic_setup.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "base/fd.h"
#include "ethtool.h"

#define TABLE 200

/* Also the network itself is in the table: what is near must not go through the gateway. */
static void add_gateway(struct netif *in, const struct netif_dev *dev, const struct ipnet *own,
			const struct ip *gateway)
{
	struct netif_route near = { .dst = *own, .table = TABLE, .type = RTN_UNICAST },
			   far = { .via = *gateway, .table = TABLE, .type = RTN_UNICAST };

	if (!gateway->family || !own->addr.family)
		return;
	for (unsigned int bit = own->plen; bit < (own->addr.family == AF_INET ? 32U : 128U); bit++)
		near.dst.addr.b[bit / 8] &= (uint8_t) ~(0x80U >> (bit % 8));
	far.dst.addr.family = gateway->family;
	netif_route(in, dev, &near, true);
	netif_route(in, dev, &far, true);
	netif_rule_from(in, &own->addr, TABLE, true);
}

int nic_setup(struct netif *in, const struct netif_dev *dev, const struct plan *p, struct err *e)
{
	const struct spec *spec = p->spec;
	struct netif_change up = {
		.flags = IFF_UP, .mask = IFF_UP, .mtu = spec->data_mtu, .netns = -1
	};
	const struct ipnet *ips[] = { &spec->data_ip, &spec->data_ip6 };
	auto_fd int driver = -1;
	int ret = 0;

	if (spec->nic_features[0]) {
		driver = ethtool_open(p->netns, e);
		ret = driver < 0 ? driver
				 : ethtool_offload_set(driver, dev->name, spec->nic_features, e);
	}
	if (ret)
		return err_wrap(e, "workspace '%s'", p->rec->name);
	netif_set(in, dev, &up);
	for (int i = 0; i < 2; i++)
		if (ips[i]->addr.family)
			netif_addr(in, dev, ips[i], 0, true);
	add_gateway(in, dev, &spec->data_ip, &spec->data_gateway);
	add_gateway(in, dev, &spec->data_ip6, &spec->data_gateway6);
	for (uint32_t i = 0; i < spec->nroutes; i++) {
		struct netif_route r = { .dst = spec->routes[i].to,
					 .via = spec->routes[i].via,
					 .table = RT_TABLE_MAIN,
					 .type = RTN_UNICAST };

		netif_route(in, dev, &r, true);
	}
	return netif_commit(in, e) ? err_wrap(e, "workspace '%s'", p->rec->name) : 0;
}
