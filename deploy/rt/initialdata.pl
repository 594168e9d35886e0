# What the relay needs of an RT with RTIR: the custom field, the service user,
# and the least rights. README.md beside this file says how to load it. It may be
# loaded again, and has to be after a queue or constituency was added to RTIR:
# what is there stays, what is missing is added.
#
# From the environment, under the names of the relay's own settings:
#   RTIR_QUEUE           where tickets are made (Incident Reports)
#   RTIR_USERNAME        the service user (rtir-relay)
#   RTIR_PASSWORD_FILE   file with that user's password; needed where the user is
#                        not there yet. Not in this file, of which RT keeps a copy
#   SHOW_TICKET=all      let it see the tickets of all queues, also of those to come;
#                        without it, of RTIR's queues as they are now
# and, where the relay hands tickets over to TTS trax,
#   TRAX=1               add the field Reported and what it takes besides
#   TRAX_RELEASE_FIELD   name of a field to add, by which people release tickets
use strict;
use warnings;

my $queue_name = $ENV{RTIR_QUEUE}    || 'Incident Reports';
my $user_name  = $ENV{RTIR_USERNAME} || 'rtir-relay';
my $seen       = $ENV{SHOW_TICKET}   || 'rtir';

# The first is what tickets are found by.
my @fields = (
    {   Name        => 'Alert ID',
        Type        => 'FreeformSingle',
        Description => 'The alert that the ticket was made of. To be left as it is',
    },
);
my @rights_on_queue = qw(SeeQueue CreateTicket ShowTicket ModifyTicket);
if ( $ENV{TRAX} ) {
    push @fields,
        {   Name        => 'Reported',
            Type        => 'DateTime',
            MaxValues   => 1,
            Description => 'When the ticket was handed over to trax. Emptied, it is handed over once more',
        };
    # By its own comment the relay knows a ticket that trax has refused.
    push @rights_on_queue, qw(ShowTicketComments);
    push @fields,
        {   Name        => $ENV{TRAX_RELEASE_FIELD},
            Type        => 'SelectSingle',
            Values      => [ { Name => 'yes' } ],
            Description => 'Set it to hand the ticket over to trax',
            Rights      => ['SeeCustomField'],
        }
        if $ENV{TRAX_RELEASE_FIELD};
}
my @rights_on_field = qw(SeeCustomField ModifyCustomField);    # unless it has Rights

# RTIR knows its queues, those of constituencies too, by these lifecycles (RTIR 4
# has the last, later ones the one before). People move and merge tickets between
# them: the relay has to find them there.
my @lifecycles          = qw(incident_reports incidents investigations countermeasures blocks);
my @rights_on_elsewhere = qw(ShowTicket);

# Who sees a queue by one of these rights may see the key of its tickets; but not
# these principals, who are strangers to the team.
my @sees_a_queue = qw(SeeQueue ShowTicket);
my %stranger     = map { $_ => 1 } qw(Everyone Unprivileged Requestor Cc);

my $queue = sub {
    my $queue = RT::Queue->new( RT->SystemUser );
    $queue->Load(shift);
    return $queue;
};

# The enabled queues of RTIR as they are now.
my $queues_of_rtir = sub {
    my $queues = RT::Queues->new( RT->SystemUser );
    $queues->Limit( FIELD => 'Lifecycle', VALUE => $_, ENTRYAGGREGATOR => 'OR' ) for @lifecycles;
    return @{ $queues->ItemsArrayRef };
};

# $type and $id name a principal as RT's access control entries do.
my $grant = sub {
    my ( $type, $id, $object, @rights ) = @_;
    for my $right (@rights) {
        my %entry = ( PrincipalType => $type, PrincipalId => $id, RightName => $right, Object => $object );
        next if RT::ACE->new( RT->SystemUser )->LoadByValues(%entry);
        my ( $ok, $message ) = RT::ACE->new( RT->SystemUser )->Create(%entry);
        die "The right $right is not granted: $message\n" unless $ok;
    }
};

# Shows $field to those who see the queue $own, or one of @others, to which analysts
# move its tickets. Single users only where they hold their right on $own or globally.
my $show = sub {
    my ( $field, $own, @others ) = @_;
    for my $object ( RT->System, $own, @others ) {
        my $rights = RT::ACL->new( RT->SystemUser );
        $rights->LimitToObject($object);
        for my $right ( @{ $rights->ItemsArrayRef } ) {
            next unless grep { $_ eq $right->RightName } @sees_a_queue;
            my $type  = $right->PrincipalType;
            my $group = $right->PrincipalObj->Object;
            next if $type =~ /^RT::CustomRole/ || $stranger{$type};
            next if $group->Domain eq 'SystemInternal' && $stranger{ $group->Name };
            next if $group->Domain eq 'ACLEquivalence' && grep { $object == $_ } @others;
            $grant->( $type, $right->PrincipalId, $field, 'SeeCustomField' );
        }
    }
};

my $password = sub {
    my $path = $ENV{RTIR_PASSWORD_FILE}
        or die "Set RTIR_PASSWORD_FILE to a file with the password of the new user $user_name\n";
    open my $file, '<', $path or die "$path: $!\n";
    chomp( my $password = <$file> // '' );
    die "There is no password in $path\n" if $password eq '';
    return $password;
};

# The relay needs no language, but what RT answers ends up in logs and dead letters.
my $user = sub {
    my $user = RT::User->new( RT->SystemUser );
    $user->Load($user_name);
    if ( $user->id ) {
        return $user if length( $user->Lang // '' );
        my ( $ok, $message ) = $user->SetLang('en');
        die "The language of $user_name is not set: $message\n" unless $ok;
        return $user;
    }
    my ( $ok, $message ) = $user->Create(
        Name       => $user_name,
        RealName   => 'Alert relay',
        Password   => $password->(),
        Privileged => 1,
        Lang       => 'en',
    );
    die "The user $user_name is not made: $message\n" unless $ok;
    return $user;
};

my $lookup_type = 'RT::Queue-RT::Ticket';

# The field of that name to use on $queue, if there is one: where several are applied
# to other queues only, the oldest.
my $find_field = sub {
    my ( $queue, $name ) = @_;
    my $fields = RT::CustomFields->new( RT->SystemUser );
    $fields->LimitToLookupType($lookup_type);
    $fields->Limit( FIELD => 'Name', VALUE => $name, CASESENSITIVE => 0 );
    $fields->FindAllRows;
    my @fields  = sort { $a->id <=> $b->id } grep { !$_->Disabled } @{ $fields->ItemsArrayRef };
    my @applied = grep { $_->IsGlobal || $_->IsAdded( $queue->id ) } @fields;
    die 'The queue ' . $queue->Name . " has more than one custom field named $name: "
        . join( ' and ', map { '#' . $_->id } @applied )
        . '. RT takes any of them. In RT: Admin > Custom Fields: disable or rename all but the one that has the values'
        . " of tickets, and load this file again\n"
        if @applied > 1;
    return $applied[0] || $fields[0];
};

# What would make RT drop the keys of alerts silently.
my $fits = sub {
    my $field = shift;
    my ( $name, $type ) = ( $field->Name . ' (#' . $field->id . ')', $field->Type );
    die "The custom field $name is of the type $type. In RT: Admin > Custom Fields: make it 'Enter one value'\n"
        unless $type eq 'Freeform';
    for my $key ( 'sha256:' . '0123abcd' x 7, 'Ssl-2026.11_23:7' ) {
        die "The custom field $name has a validation which alert ids do not pass. In RT: Admin > Custom Fields: empty"
            . " it, and load this file again\n"
            unless $field->MatchPattern($key);
    }
};

my $field = sub {
    my ( $queue, %field ) = @_;
    my $values = delete $field{Values} || [];
    delete $field{Rights};
    my $field = $find_field->( $queue, $field{Name} );
    $fits->($field) if $field && $field{Name} eq 'Alert ID';
    unless ($field) {
        $field = RT::CustomField->new( RT->SystemUser );
        my ( $ok, $message ) = $field->Create( %field, LookupType => $lookup_type );
        die "The custom field $field{Name} is not made: $message\n" unless $ok;
        for my $value (@$values) {
            ( $ok, $message ) = $field->AddValue(%$value);
            die "The value $value->{Name} of $field{Name} is not made: $message\n" unless $ok;
        }
    }
    unless ( $field->IsGlobal || $field->IsAdded( $queue->id ) ) {
        my ( $ok, $message ) = $field->AddToObject($queue);
        die "The custom field $field{Name} is not applied: $message\n" unless $ok;
    }
    return $field;
};

# Not @Final, whose failures RT only logs; and not @ACL, which takes no right twice.
our @Initial = (
    sub {
        my $reports = $queue->($queue_name);
        die "There is no queue $queue_name\n" unless $reports->id;
        die "SHOW_TICKET may be 'all' or empty, not '$seen'\n" unless $seen =~ /^(?:rtir|all)$/;
        my @there     = map { $field->( $reports, %$_ ) } @fields;
        my @elsewhere = grep { $_->id != $reports->id } $queues_of_rtir->();
        my @relay     = ( 'User', $user->()->PrincipalId );
        $grant->( @relay, $reports, @rights_on_queue );
        $grant->( @relay, $_, @rights_on_elsewhere ) for $seen eq 'all' ? RT->System : @elsewhere;
        $grant->( @relay, $there[$_], @{ $fields[$_]{Rights} || \@rights_on_field } ) for 0 .. $#fields;
        $show->( $there[0], $reports, @elsewhere );
    },
);

1;
