# A file for RT_SiteConfig.d: RT shows the priorities of the relay's tickets as their
# severities. By RT's own labels a medium one shows as Low, and a high one as Medium.
# For RT 5 and later; RT has to be restarted. README.md beside this file says more.
my %severities = ( None => 0, Low => 20, Medium => 40, High => 60, Critical => 100 );
Set( %PriorityAsString,
    map { $_ => \%severities } (
        'Incident Reports',
        # and further queues of reports, for instance of constituencies: 'Incident Reports - EDUNET',
    )
);

1;
