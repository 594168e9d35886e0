# For the mail that RT sends to the requestors of an alert's ticket: the alert's own
# first lines and what to do next, in place of "This message has been automatically
# generated in response to the creation of a trouble ticket". README.md beside this
# file says how to load it. Loaded again, it changes nothing.
#
# From the environment:
#   RTIR_QUEUE    the queue of the relay's tickets (Incident Reports)
#   AUTOREPLY     en (the default) or fr: the language;
#                 off: RT's own text again, and nothing of this file is left
#
# RT prefers a queue's own template to the global one of the same name. Which of the
# two names it uses is up to the scrip "On Create Autoreply To Requestors". Tickets
# that are not of the relay still get the text of the global template.
use strict;
use warnings;
use utf8;

my $queue_name = $ENV{RTIR_QUEUE} || 'Incident Reports';
my $choice     = $ENV{AUTOREPLY}  || 'en';
my $ours       = 'Alert relay:';    # our templates are known by how their descriptions begin

my %texts = (
    en => {
        next => 'What to do next',
        do   => <<'END',
1. Check the site, or pass this message on to whoever runs it.
2. Tell us what you found: reply to this message, and leave TAG in its subject.
3. Reply as well if it is a false alarm, or if somebody else should be told.
END
        rest => 'The rest of the alert',
    },
    fr => {
        next => 'Que faire maintenant',
        do   => <<'END',
1. Vérifiez le site, ou transmettez ce message à la personne qui l'administre.
2. Dites-nous ce que vous avez constaté : répondez à ce message en laissant TAG dans l'objet.
3. Répondez aussi s'il s'agit d'une fausse alerte, ou s'il faut prévenir quelqu'un d'autre.
END
        rest => "La suite de l'alerte",
    },
);

# Text::Template: one fragment, so that a ticket of another origin gets all of the
# global template, its head included. Tickets of the relay are those with a key.
my $fragment = <<'END';
{
    if ( defined $Ticket->FirstCustomFieldValue('Alert ID') ) {
        my ( $what, $facts, $rest ) = split /\n\n+/, $Transaction->Content, 3;
        my $do = q~DO~;
        my $tag = $Ticket->SubjectTag;
        $do =~ s/TAG/$tag/;
        my $subject = $Ticket->Subject;
        $OUT = BODY;
    }
    else {
        my $global = RT::Template->new( RT->SystemUser );
        $global->LoadGlobalTemplate('NAME');
        ($OUT) = $global->_ParseContent( TicketObj => $Ticket, TransactionObj => $Transaction );
    }
    $OUT;
}
END

my %bodies = (
    'Autoreply' => <<'END',
join "\n\n", "Subject: $subject\n\n$what", $facts // (), "NEXT\n$do" . ( defined $rest ? "\nREST\n\n$rest" : '' )
END
    'Autoreply in HTML' => <<'END',
do {
            RT::Interface::Web::EscapeHTML( \$_ ) for grep { defined } $what, $facts, $rest, $do;
            $do =~ s/\n/<br>\n/g;
            my $pre = '<pre style="white-space: pre-wrap; font-family: monospace;">';
            "Subject: $subject\nContent-Type: text/html\n\n<p><b>$what</b></p>\n"
                . ( defined $facts ? "$pre$facts</pre>\n" : '' )
                . "<p><b>NEXT</b></p>\n<p>$do</p>\n"
                . ( defined $rest ? "<p><b>REST</b></p>\n$pre$rest</pre>\n" : '' );
        }
END
);

my $content = sub {
    my ( $name, $text ) = @_;
    chomp( my $body = $bodies{$name} );
    my %parts = ( NAME => $name, BODY => $body, DO => $text->{do} );
    ( my $content = $fragment ) =~ s/\b(NAME|BODY|DO)\b/$parts{$1}/g;
    $content =~ s/\b(NEXT|REST)\b/$text->{ lc $1 }/g;
    return $content;
};

my $put = sub {
    my ( $queue, $name ) = @_;
    my $template = RT::Template->new( RT->SystemUser );
    $template->LoadQueueTemplate( Queue => $queue->id, Name => $name );
    my $there = $template->id;
    die 'The queue ' . $queue->Name . " has a template $name of its own (#$there). In RT: Admin > Queues > Templates:"
        . " rename or delete it, and load this file again\n"
        if $there && index( $template->Description // '', $ours ) != 0;
    my ( $ok, $message ) = (1);
    if ( $choice eq 'off' ) {
        ( $ok, $message ) = $template->Delete if $there;
    }
    elsif ( !$there ) {
        ( $ok, $message ) = $template->Create(
            Queue       => $queue->id,
            Name        => $name,
            Description => "$ours what people are told of a new ticket",
            Content     => $content->( $name, $texts{$choice} ),
        );
    }
    elsif ( $template->Content ne $content->( $name, $texts{$choice} ) ) {
        ( $ok, $message ) = $template->SetContent( $content->( $name, $texts{$choice} ) );
    }
    die "The template $name: $message\n" unless $ok;
};

our @Initial = (
    sub {
        my $queue = RT::Queue->new( RT->SystemUser );
        $queue->Load($queue_name);
        die "There is no queue $queue_name\n" unless $queue->id;
        die "AUTOREPLY may be en, fr or off, not '$choice'\n" unless $choice eq 'off' || $texts{$choice};
        $put->( $queue, $_ ) for sort keys %bodies;
    },
);

1;
