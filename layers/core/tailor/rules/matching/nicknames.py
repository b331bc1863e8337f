"""Given names that stand for one another. Groups overlap: Sandy may be Alexander or Alexandra."""

from __future__ import annotations

_GROUPS = """
aaron ron ronnie | abigail abby gail abbie | abraham abe bram | adelaide addie adele della | adrian ade
agnes aggie nessie | albert al bert bertie | alexander alex al alec sandy xander sasha lex alejandro
alexandra alex lexi sandra sandy sasha alexa lexie | alfred al alf alfie fred freddy | alice allie ali
alison ali allie alli | allan al alan allen | amanda mandy amy manda | amelia amy millie mel emilia
anastasia nastya ana stacy stasia | andrea andi andie drea | andrew andy drew andre andrei andrey
angela angie angelica | ann annie anna anne nan nancy hannah | annabelle anna belle bella | anthony tony ant antonio
antonia toni tonya | archibald archie | arnold arnie arn | arthur art artie | augustus gus august augustine angus
barbara barb babs barbie bobbie | bartholomew bart barry | beatrice bea trixie beatriz | belinda bel linda
benjamin ben benny benji bennie | bernadette bernie detta | bernard bernie bern | bradley brad | brandon bran
brenda bren | brian bryan | bridget biddy bridie brigitte | calvin cal | cameron cam | candace candy candice
carol carrie caz carolyn caroline lina karoline | cassandra cass cassie sandra | catherine cathy cath cat kate katie
kathy katherine kathryn kitty kat kathleen kath kay katya ekaterina katerina katrina kit trina
cecilia cece celia sis | charles charlie chuck chas chaz carl charley | charlotte lottie charlie char carlotta
chester chet | christina chris tina chrissie christine christy kristina kristen kristine krissy | christian chris
christopher chris kit topher christoph cris kris | clarence clare | clifford cliff | clinton clint | constance connie
cornelius neil corny | curtis curt | cynthia cindy cyndi | cyril cy | daniel dan danny daniil danil | danielle dani
darlene darla | david dave davey davy | deborah deb debbie debra debby | dennis den denny denis | derek derrick rick
dmitri dima dmitry dmitriy mitya | dolores lola dolly | dominic dom nick dominick | donald don donnie donny
dorothy dot dottie dolly dora dorothea | douglas doug | duncan dunc | edmund ed eddie ted ned
edward ed eddie ted teddy ned eduard | edwin ed eddie win | eileen ellie | eleanor ellie nell nora elle ella elena
elizabeth liz beth betty lizzie eliza bess libby betsy lisa elsie ellie lizbeth bette eliz elisabeth isabel elise
ellen nell nellie ellie helen | emily em emmy millie | emma em emmy | emmanuel manny manuel manu
eric rick ricky erik | ernest ernie ernesto | ethel eth | eugene gene yevgeny evgeny evgenii zhenya | evelyn eve evie
ezekiel zeke | fernando nando | florence flo flossie | frances fran francie fannie frankie francesca
francis frank fran frankie francisco francesco paco pancho franz | franklin frank
frederick fred freddie freddy fritz | friedrich fredrick frederic rick | gabriel gabe gale gab
gabriella gabby ella gabrielle gabi | geoffrey geoff jeff | georgina georgie gina georgia
george georgie jorge georg yuri | gerald gerry jerry ger | geraldine gerry geri jerry | gerard gerry jerry
gertrude trudy gert gertie | gilbert gil bert | giovanni gianni vanni john | giuseppe beppe pino | gordon gord
grace gracie | graham gray grahame | gregory greg gregg grigory grisha | guillermo memo | gwendolyn gwen
hannah ann anna | harold harry hal | harriet hattie harri | harrison harry | heather heath | heinrich heinz heiner
helen nell ellen nellie lena elena | henrietta etta hettie henri | henry harry hank hal enrique | herbert herb bert
horace horry | howard howie | hubert bert hugh | hugh hughie hugo | ian iain john | ignacio nacho | ignatius iggy
irene rene | isaac ike zac | isabella bella izzy isabel isabelle izzie ella belle | ivan vanya john
jack john johnny jackie jock | jacob jake jack jakob james | jacqueline jackie jacqui | jaime jamie
james jim jimmy jamie jem jaime | jane janey jenny janie jean jan | janet jan jannie | janice jan | jason jay jace
jasmine jas jazz | jean john jeanne | jeanette jean jen netta | jeffrey jeff geoff jeffery
jennifer jen jenny jennie jenn | jeremiah jerry jem | jeremy jerry jez jem | jerome jerry | jessica jess jessie
jesus chuy | jill gill gillian gilly | joan joanie joanna | joanna jo joanne ann jojo | johannes hans jan john
john jack johnny jon jock ian johnnie jan jonnie sean | jonathan jon jonny nathan jonnie jonathon | jordan jordy
jose pepe joseph | josef sepp joseph | joseph joe joey jos giuseppe jo | josephine jo josie fina joey | joshua josh
joyce joy | judith judy jude | julia julie jules giulia julianne juliet yulia yuliya | julian jules
juliana julie julia liana | justin jus | karen kaz | katharina kathi kathe | kathleen kathy kath katie kay
kenneth ken kenny kent | kevin kev | kimberly kim kimmy kimberley | konstantin kostya | lambert bert | larissa lara
latisha tish tisha | laura laurie lora lori | lauren lauri laurie ren | laurence larry laurie lawrence law
lorenzo lars | leonard len lenny leo lennie | leonardo leo | leopold leo | leroy roy lee | leslie les lesley
lester les | letitia letty tish lettie | lewis lew louis lou | lillian lil lilly lily lillie | linda lin lindy lynda
lindsay linds lindsey | lloyd floyd | loretta retta etta | louis lou louie lewis luis | louise lou lulu
lucas luke lucca luca luc | lucille lucy lou | lucy lucinda lucia lu | luther lou | lydia lyd liddy
lynn lyn linette lynette | mackenzie kenzie mac | madeline maddie mad maddy madeleine | magdalena lena maggie magda
malcolm mal | marcus mark marc marco
margaret maggie meg peggy madge marge rita greta margie peg daisy margot marjorie | maria masha mary mia marie
marian mary marion | marianne mary anne | marilyn mary lyn | marjorie marge margie marj | martha marty mattie patsy
martin marty mart | marvin marv merv | mary molly polly mae marie may mamie mimi maria | matilda tilly mattie tilda
matthew matt matty mathew matthias | maureen mo | maurice morris mo | maximilian max | maxwell max | maxine max
megan meg | melanie mel | melinda mel mindy linda | melissa mel missy lissa | melvin mel | mercedes mercy
meredith merry | michael mike mick mickey micky mitch mikhail miguel mikey micah michel
michelle shelly chelle shell mickey | mikhail misha michael | mildred millie milly | milton milt | minerva minnie
miranda randy mandy mira | miriam mimi mary mim | mitchell mitch | mohammed mo mohamed mohammad muhammad mehmet
monica mona nicki | montgomery monty | morgan mo | moses mo moe | myra mira | nadezhda nadia nadya | nancy nan ann
naomi omi | natalia natasha natalie tasha nat nata | natalie nat nattie talia | nathan nate nat
nathaniel nathan nate nat | nelson nels | nicholas nick nicky nic nico nicolas nikolas klaus niko
nicole nicky nikki nic coleen | nikolai kolya nicholas | nina nan | norbert bert | norman norm | octavia tavy
oleksandr sasha alexander aleksandr alex | oliver ollie olly noll | olivia liv livvy ollie | oscar ossie
oswald oz ozzie | pamela pam | patience pat | patricia pat patty tricia trish patsy trisha patti
patrick pat paddy patsy rick | paul pauly pavel pablo pasha | paula polly paulina | pauline paula polly
penelope penny | percival percy | peter pete piotr pyotr pedro petr | philip phil pip phillip felipe
philippa pip pippa | phyllis phyl | priscilla cilla prissy | prudence prue | rachel rach rae rachael
ralph rafe ralphie raphael | ramona mona | randall randy rand | randolph randy dolph | raphael rafe rafa ralph
raymond ray raymund | rebecca becky becca beck | reginald reg reggie rex | regina gina reggie | renee rennie
reuben rube ruben | richard rick dick rich ricky richie ricardo dickie dickon ritchie
robert rob bob bobby robbie bert roberto robin | roberta bobbie robbie berta | roderick rod rick roddy | rodney rod
roger rodge | roland rollie rolly roly orlando | ronald ron ronnie ronny | rosalind roz ros rose | rose rosie rosa
rosemary rose rosie mary | roxanne roxy | rudolph rudy rolf | rupert bert | russell russ rusty | ruth ruthie | ryan ry
sabrina brina | salvatore sal sally | samantha sam sammie sammy | samuel sam sammy | sandra sandy alexandra
sarah sally sadie sara sal | scott scotty | sebastian seb basti bastian | sergei serge seryozha sergey | seymour sy
shannon shan | sharon shaz shari ron | shawn sean shaun | sheila shay | shirley shirl | sidney sid syd sydney
silvia sylvia sylvie | simon si sim | solomon sol sally | sophia sophie sofia sofiya sonya | spencer spence
stanley stan | stella estelle | stephanie steph stef steffi | stephen steve stevie steven stefan stephan ste esteban
stewart stu stuart | susan sue susie suzy suzanne susanna susannah suzie sukie | svetlana sveta lana | sylvester sly
tabitha tabby | tamara tammy tam tamra | tatiana tanya tania | teresa terry tess tessa theresa tessie tracy
terrence terry terence | thaddeus thad ted | theodora dora thea | theodore theo ted teddy fyodor fedor
thomas tom tommy thom tomas | tiffany tiff | timothy tim timmy timofey | tobias toby tobi | travis trav
valentina val tina valya | valerie val | vanessa nessa ness | vera ronnie | vernon vern | veronica ronnie vera nica
victor vic viktor | victoria vicky vicki tori | vikki vic viktoria vika | vincent vince vinny vin vincenzo
viola vi violet | virginia ginny ginger gina | vivian viv vivienne | vladimir vlad volodya vova volodymyr
walter walt wally wat | wanda wandy | warren ren | wendy gwen | wesley wes | wilfred wilf will fred
wilhelm willi willy william | wilhelmina mina minnie | willard will bill
william will bill billy willie liam wills guillermo bell | wilma willie billie | winifred winnie fred | winston win
xavier xav javier | yvonne vonnie eve | zachary zach zack zac zak zachariah
"""

_LISTS = [group.split() for line in _GROUPS.strip().splitlines() for group in line.split("|")]
_MEMBERS: dict[str, set[int]] = {}
for _number, _names in enumerate(_LISTS):
    for _name in _names:
        _MEMBERS.setdefault(_name, set()).add(_number)
GROUPS = {name: frozenset(numbers) for name, numbers in _MEMBERS.items()}
_HEADS = [names[0] for names in _LISTS]


def formal(name: str) -> str:
    """The formal name a folded one most often stands for; itself where it stands for none."""
    numbers = GROUPS.get(name)
    if not numbers:
        return name
    return name if name in _HEADS else _HEADS[min(numbers)]


def akin(one: str, other: str) -> bool:
    """Whether two folded given names may be one person's: ``peggy`` and ``margaret``."""
    numbers = GROUPS.get(one)
    return bool(numbers and not numbers.isdisjoint(GROUPS.get(other, frozenset())))
