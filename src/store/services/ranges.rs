//! From where Services get their addresses and node ports.

use crate::api::Cidr;

/// What kube-apiserver's flags say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceRanges {
    /// `--service-cluster-ip-range`: one range, or one of each family, the primary one first.
    pub cluster_ips: Vec<Cidr>,
    /// `--service-node-port-range`: the first and the last port.
    pub node_ports: (u16, u16),
}

impl Default for ServiceRanges {
    /// [`ServiceRanges::CLUSTER_IPS`] and [`ServiceRanges::NODE_PORTS`].
    fn default() -> ServiceRanges {
        let cluster_ips = ServiceRanges::cluster_ips(ServiceRanges::CLUSTER_IPS);
        let node_ports = ServiceRanges::node_ports(ServiceRanges::NODE_PORTS);
        ServiceRanges {
            cluster_ips: cluster_ips.expect("the default is a range"),
            node_ports: node_ports.expect("the default is a range"),
        }
    }
}

impl ServiceRanges {
    /// The range that kubeadm sets; kube-apiserver's own default, 10.0.0.0/24, is for 254 Services.
    pub const CLUSTER_IPS: &str = "10.96.0.0/12";
    /// Upstream's default.
    pub const NODE_PORTS: &str = "30000-32767";

    /// Reads `--service-cluster-ip-range`.
    ///
    /// # Errors
    /// What is wrong with it, as upstream says where it does.
    pub fn cluster_ips(text: &str) -> Result<Vec<Cidr>, String> {
        let ranges: Vec<Cidr> = text
            .split(',')
            .map(|range| range.trim().parse())
            .collect::<Result<_, String>>()
            .map_err(|why| format!("--service-cluster-ip-range: {why}"))?;
        if ranges.len() > 2 {
            return Err("--service-cluster-ip-range must not contain more than two entries".to_owned());
        }
        if let [first, second] = ranges.as_slice()
            && first.is_ipv6() == second.is_ipv6()
        {
            return Err(
                "--service-cluster-ip-range[0] and --service-cluster-ip-range[1] must be of different IP family"
                    .to_owned(),
            );
        }
        for range in &ranges {
            let bits = if range.is_ipv6() { 128 } else { 32 } - range.prefix_len();
            if bits < 2 {
                return Err(format!("--service-cluster-ip-range: {range} holds no addresses for Services"));
            }
        }
        Ok(ranges)
    }

    /// Reads `--service-node-port-range`: `30000-32767`, or `30000+2767`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn node_ports(text: &str) -> Result<(u16, u16), String> {
        let wrong = || format!("--service-node-port-range: {text:?} is not a range such as 30000-32767");
        let number = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong());
        let (first, last) = match (text.split_once('-'), text.split_once('+')) {
            (Some((first, last)), _) => (number(first)?, number(last)?),
            (None, Some((first, more))) => {
                let first = number(first)?;
                (first, first.checked_add(number(more)?).ok_or_else(wrong)?)
            }
            (None, None) => (number(text)?, number(text)?),
        };
        if first == 0 || last < first {
            return Err(wrong());
        }
        Ok((first, last))
    }
}
